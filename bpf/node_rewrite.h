/* SPDX-License-Identifier: GPL-2.0 */
/* Exchanges one end of a packet, its address and port, and mends the
 * checksums by the difference. The TTL is left to the kernel, which routes. */
#pragma once

#include "read_packet.h"

/* The end that is exchanged; also its place in headers, source first. */
enum packet_end { END_SOURCE = 0, END_DESTINATION = 1 };

static __always_inline __u32 address_at(__u32 ip_at, __u32 family, int end)
{
	return family == FAMILY_V4 ? ip_at + offsetof(struct iphdr, saddr) + 4 * end :
				     ip_at + offsetof(struct ipv6hdr, saddr) + 16 * end;
}

static __always_inline __u32 l4_checksum_at(__u8 protocol)
{
	return protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
					 offsetof(struct udphdr, check);
}

static __always_inline int rewrite_end(hook_ctx *ctx, const struct packet *pkt, int end,
				       const __u32 *address, __u16 port)
{
	const __u32 *old = end == END_SOURCE ? pkt->source : pkt->destination;
	__u16 old_port = end == END_SOURCE ? source_port(pkt) : destination_port(pkt);
	__u32 l4_at = pkt->l3_offset + (pkt->l3_size & L3_SIZE_MASK);
	__u16 l3_delta = checksum_fold(address_diff(old, address)), l4_delta;
	int failed;

	failed = write_address(ctx, address_at(pkt->l3_offset, pkt->family, end), address,
			       pkt->family == FAMILY_V6);
	if (pkt->family == FAMILY_V4)
		failed |= write_checksum(ctx, pkt->l3_offset + offsetof(struct iphdr, check),
					 l3_delta);
	if (pkt->fragment != FRAGMENT_LATER) {
		l4_delta = checksum_fold(l3_delta + checksum_diff(old_port, port));
		failed |= write_port(ctx, l4_at + 2 * end, port);
		failed |= write_l4_checksum(ctx, l4_at + l4_checksum_at(pkt->protocol),
					    pkt->protocol, l3_delta, l4_delta);
	}
	return failed ? DROP(DROP_INTERNAL) : GO_ON;
}

/* Exchanges one end's port alone; a later fragment has none. */
static __always_inline int rewrite_port(hook_ctx *ctx, const struct packet *pkt, int end,
					__be16 port)
{
	__u16 old = end == END_SOURCE ? source_port(pkt) : destination_port(pkt);
	__u32 l4_at = pkt->l3_offset + (pkt->l3_size & L3_SIZE_MASK);
	int failed;

	if (likely(old == port) || pkt->fragment == FRAGMENT_LATER)
		return GO_ON;
	failed = write_port(ctx, l4_at + 2 * end, port);
	failed |= write_l4_checksum(ctx, l4_at + l4_checksum_at(pkt->protocol), pkt->protocol, 0,
				    checksum_fold(checksum_diff(old, port)));
	return failed ? DROP(DROP_INTERNAL) : GO_ON;
}
