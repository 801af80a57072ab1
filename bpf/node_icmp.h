/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ICMP errors quote the packet they are about. An error about an answer comes
 * to the VIP and quotes the VIP as source; one about a request leaves the node
 * and quotes the pod as destination. The receiver knows neither: the quote is
 * translated too. Eight bytes of L4 are all that is guaranteed of it.
 */
#pragma once

#include "node_flow.h"
#include "node_rewrite.h"

#define ICMP_HEADER_SIZE 8

struct quote {
	__u32 source[4];
	__u32 destination[4];
	__u32 ports;		/* source port in the low half, as loaded */
	__u16 at;		/* offset of its IP header */
	__u16 l4_at;
	__u16 checksum;		/* its L4 checksum, if has_checksum */
	__u8 protocol;
	__u8 has_checksum;
};

/* Does this type carry a quote? */
static __always_inline int is_icmp_error(__u8 type, __u32 family)
{
	if (family == FAMILY_V4)
		return type == 3 || type == 11 || type == 12;
	return type >= 1 && type <= 4;
}

static __always_inline int read_quote4(hook_ctx *ctx, struct quote *quote)
{
	struct iphdr *ip = hook_data(ctx) + (quote->at & WRITE_MOST);
	__u8 first;

	if ((void *)(ip + 1) > hook_end(ctx))
		return -1;
	first = *(__u8 *)ip;
	if (first >> 4 != 4 || (first & 0xf) < 5 || ip->frag_off & IP_OFFSET)
		return -1;
	quote->source[0] = ip->saddr;
	quote->destination[0] = ip->daddr;
	quote->protocol = ip->protocol;
	quote->l4_at = quote->at + (first & 0xf) * 4;
	return 0;
}

static __always_inline int read_quote6(hook_ctx *ctx, struct quote *quote)
{
	struct ipv6hdr *ip = hook_data(ctx) + (quote->at & WRITE_MOST);

	if ((void *)(ip + 1) > hook_end(ctx) || *(__u8 *)ip >> 4 != 6)
		return -1;
	copy_address(quote->source, ip->saddr.in6_u.u6_addr32);
	copy_address(quote->destination, ip->daddr.in6_u.u6_addr32);
	quote->protocol = ip->nexthdr;
	quote->l4_at = quote->at + sizeof(*ip);
	return 0;
}

/* Reads an ICMP error's quote; not 0: it is no error, or quotes nothing that
 * could be a flow's packet. */
static __noinline int read_quote(hook_ctx *ctx, const struct packet *pkt, struct quote *quote)
{
	__u16 *checksum;
	__u32 *ports;
	__u8 *type;
	int result;

	if (!pkt || !quote)
		return -1;
	quote->at = pkt->l3_offset + (pkt->l3_size & L3_SIZE_MASK);
	type = hook_data(ctx) + (quote->at & WRITE_MOST);
	if (type + 1 > (__u8 *)hook_end(ctx) || pkt->fragment != FRAGMENT_NONE ||
	    !is_icmp_error(*type, pkt->family))
		return -1;
	quote->at += ICMP_HEADER_SIZE;
	if (pkt->family == FAMILY_V4)
		result = read_quote4(ctx, quote);
	else
		result = read_quote6(ctx, quote);
	if (result || (quote->protocol != IPPROTO_TCP && quote->protocol != IPPROTO_UDP))
		return -1;
	ports = hook_data(ctx) + (quote->l4_at & WRITE_MOST);
	if (ports + 2 > (__u32 *)hook_end(ctx))
		return -1;
	quote->ports = *ports;
	checksum = hook_data(ctx) +
		   ((quote->l4_at + l4_checksum_at(quote->protocol)) & WRITE_MOST);
	quote->has_checksum = (void *)(checksum + 1) <= hook_end(ctx);
	if (quote->has_checksum)
		quote->checksum = *checksum;
	/* UDP without a checksum */
	if (quote->protocol == IPPROTO_UDP && !quote->checksum)
		quote->has_checksum = 0;
	return 0;
}

/* Exchanges an end of the quote. All changes balance each other, but those that
 * *sum gets: the ICMP checksum covers them. */
static __always_inline int translate_quote(hook_ctx *ctx, const struct packet *pkt,
					   const struct quote *quote, int end,
					   const __u32 *address, __u16 port, __u32 *sum)
{
	const __u32 *old = end == END_SOURCE ? quote->source : quote->destination;
	__u16 old_port = end == END_SOURCE ? quote->ports : quote->ports >> 16, l4_delta;
	__u32 l3_delta = address_diff(old, address);
	int failed;

	failed = write_balanced_address(ctx, address_at(quote->at, pkt->family, end), address,
					pkt->family == FAMILY_V6);
	if (pkt->family == FAMILY_V4)
		failed |= write_checksum(ctx, quote->at + offsetof(struct iphdr, check), l3_delta);
	else
		*sum += checksum_fold(l3_delta);
	failed |= write_port(ctx, quote->l4_at + 2 * end, port);
	*sum += checksum_diff(old_port, port);
	if (quote->has_checksum) {
		l4_delta = checksum_fold(l3_delta + checksum_diff(old_port, port));
		failed |= write_checksum(ctx, quote->l4_at + l4_checksum_at(quote->protocol),
					 l4_delta);
		*sum += checksum_diff(quote->checksum, checksum_apply(quote->checksum, l4_delta));
	}
	return failed;
}

/* Exchanges an end of the message itself, and writes the ICMP checksum. */
static __always_inline int finish_icmp(hook_ctx *ctx, const struct packet *pkt, int end,
				       const __u32 *address, __u32 sum)
{
	const __u32 *old = end == END_SOURCE ? pkt->source : pkt->destination;
	__u32 l3_delta = address_diff(old, address);
	int failed;

	failed = write_balanced_address(ctx, address_at(pkt->l3_offset, pkt->family, end), address,
					pkt->family == FAMILY_V6);
	if (pkt->family == FAMILY_V4)
		failed |= write_checksum(ctx, pkt->l3_offset + offsetof(struct iphdr, check),
					 l3_delta);
	else
		sum += checksum_fold(l3_delta);
	failed |= write_checksum(ctx, pkt->l3_offset + (pkt->l3_size & L3_SIZE_MASK) +
				 offsetof(struct icmp_header, checksum), sum);
	return failed ? DROP(DROP_INTERNAL) : GO_ON;
}
