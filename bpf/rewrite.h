/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses, ports, TTL and both checksums of a packet, by difference. */
#pragma once

#include "read_packet.h"
#include "checksum.h"

struct rewrite {
	const __u32 *source;
	const __u32 *destination;
	__u32 ports;
	__u16 l3_delta;		/* of addresses and TTL */
	__u16 l4_delta;		/* of addresses and ports */
};

static __always_inline void rewrite_ipv4(struct iphdr *ip, const struct packet *pkt,
					 const struct rewrite *to)
{
	ip->ttl = pkt->ttl - 1;
	ip->check = checksum_update(ip->check, to->l3_delta);
	ip->saddr = to->source[0];
	ip->daddr = to->destination[0];
}

static __always_inline void rewrite_ipv6(struct ipv6hdr *ip, const struct packet *pkt,
					 const struct rewrite *to)
{
	ip->hop_limit = pkt->ttl - 1;
	copy_address(ip->saddr.in6_u.u6_addr32, to->source);
	copy_address(ip->daddr.in6_u.u6_addr32, to->destination);
}

static __always_inline int rewrite_packet(hook_ctx *ctx, const struct packet *pkt,
					  const struct rewrite *to)
{
	__u32 checksum_at = pkt->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
							   offsetof(struct udphdr, check);
	struct headers at;

	if (pkt->family == FAMILY_V6)
		hook_add_to_sum(ctx, checksum_fold(to->l3_delta + (__u16)~TTL_LESS_ONE_DELTA +
						   HOP_LIMIT_LESS_ONE_DELTA));
	find_headers(ctx, pkt, &at);
	if (at.ip + sizeof(struct ipv6hdr) <= at.end && pkt->family == FAMILY_V6)
		rewrite_ipv6(at.ip, pkt, to);
	else if (at.ip + sizeof(struct iphdr) <= at.end)
		rewrite_ipv4(at.ip, pkt, to);
	if (pkt->fragment == FRAGMENT_LATER)
		return GO_ON;
	if (at.l4 + sizeof(struct udphdr) > at.end ||
	    at.l4 + checksum_at + sizeof(__u16) > at.end)
		return DROP(DROP_TRUNCATED);
	*(__u32 *)at.l4 = to->ports;
	if (hook_update_l4(ctx, at.l4 + checksum_at, pkt->l3_offset + pkt->l3_size + checksum_at,
			   pkt->protocol, to->l3_delta, to->l4_delta))
		return DROP(DROP_INTERNAL);
	return GO_ON;
}
