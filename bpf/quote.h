/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet that an ICMP error quotes: its IP header and, all that is
 * guaranteed, 8 bytes behind it.
 */
#pragma once

#include "read_packet.h"

#define ICMP_DEST_UNREACH 3
#define ICMP_PORT_UNREACH 3
#define ICMP_FRAG_NEEDED 4
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMPV6_DEST_UNREACH 1
#define ICMPV6_PORT_UNREACH 4
#define ICMPV6_PKT_TOOBIG 2
#define ICMPV6_TIME_EXCEED 3
#define ICMPV6_PARAMETER_PROBLEM 4

/* An error that claims less would make a host cut its packets to shreds. */
#define LEAST_MTU_V4 576
#define LEAST_MTU_V6 1280

struct quote {
	__u32 source[4];
	__u32 destination[4];
	__u32 ports;		/* source port in the low half, as loaded */
	__u8 l3_size;
	__u8 protocol;
};

/* Is the type one of an error? Errors about MTUs that no path has are not. */
static __always_inline int is_icmp_error(const struct packet *pkt, const struct icmp_header *icmp)
{
	if (pkt->family == FAMILY_V6) {
		if (icmp->type == ICMPV6_PKT_TOOBIG && bpf_ntohl(icmp->rest) < LEAST_MTU_V6)
			return 0;
		return icmp->type >= ICMPV6_DEST_UNREACH && icmp->type <= ICMPV6_PARAMETER_PROBLEM;
	}
	if (icmp->type == ICMP_DEST_UNREACH && icmp->code == ICMP_FRAG_NEEDED) {
		__u32 mtu = bpf_ntohl(icmp->rest) & 0xffff;

		/* Routers older than RFC 1191 say 0. */
		return mtu == 0 || mtu >= LEAST_MTU_V4;
	}
	return icmp->type == ICMP_DEST_UNREACH || icmp->type == ICMP_TIME_EXCEEDED ||
	       icmp->type == ICMP_PARAMETER_PROBLEM;
}

static __always_inline int read_quote4(const void *inner, const void *end, struct quote *quote)
{
	const struct iphdr *ip = inner;

	if ((void *)(ip + 1) > end || *(__u8 *)ip >> 4 != 4 || ip->frag_off & IP_OFFSET)
		return -1;
	quote->l3_size = (*(__u8 *)ip & 0xf) * 4;
	quote->protocol = ip->protocol;
	quote->source[0] = ip->saddr;
	quote->destination[0] = ip->daddr;
	return quote->l3_size < sizeof(*ip) ? -1 : 0;
}

static __always_inline int read_quote6(const void *inner, const void *end, struct quote *quote)
{
	const struct ipv6hdr *ip = inner;
	const struct fragment_header *fragment = (void *)(ip + 1);

	if ((void *)(ip + 1) > end || *(__u8 *)ip >> 4 != 6)
		return -1;
	quote->l3_size = sizeof(*ip);
	quote->protocol = ip->nexthdr;
	/* What a sender has fragmented itself may still be too big for the way. */
	if (ip->nexthdr == IPPROTO_FRAGMENT) {
		if ((void *)(fragment + 1) > end || bpf_ntohs(fragment->offset) >> 3)
			return -1;
		quote->l3_size += sizeof(*fragment);
		quote->protocol = fragment->next;
	}
	copy_address(quote->source, ip->saddr.in6_u.u6_addr32);
	copy_address(quote->destination, ip->daddr.in6_u.u6_addr32);
	return 0;
}

/* The tuple of the flow that a quoted answer belongs to. */
static __always_inline void quoted_tuple(const struct quote *quote, struct flow_key6 *tuple)
{
	copy_address(tuple->client, quote->destination);
	copy_address(tuple->vip, quote->source);
	tuple->client_port = quote->ports >> 16;
	tuple->vip_port = quote->ports;
	tuple->protocol = quote->protocol;
}

/* What the packet's ICMP error quotes: GO_ON, or why it is of no use. */
static __noinline int read_quote(hook_ctx *ctx, const struct packet *pkt, struct quote *quote)
{
	struct headers at;
	void *inner, *l4;
	int failed;

	if (!pkt || !quote)
		return DROP(DROP_INTERNAL);
	find_headers(ctx, pkt, &at);
	inner = at.l4 + sizeof(struct icmp_header);
	if (inner > at.end || !is_icmp_error(pkt, at.l4) || pkt->fragment)
		return DROP(DROP_ICMP);
	__builtin_memset(quote, 0, sizeof(*quote));
	failed = pkt->family == FAMILY_V6 ? read_quote6(inner, at.end, quote) :
					    read_quote4(inner, at.end, quote);
	l4 = inner + (quote->l3_size & 0x3f);
	if (failed || l4 + 8 > at.end || (quote->protocol != IPPROTO_TCP &&
					  quote->protocol != IPPROTO_UDP))
		return DROP(DROP_ICMP_NO_FLOW);
	quote->ports = *(__u32 *)l4;
	return GO_ON;
}
