/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tunnels that carry packets for VIPs: IP in IP of all four kinds, and GUE. A
 * tunnel whose inner destination is no VIP is somebody else's and is left
 * alone, so a network of pods may run over IPIP beside it.
 */
#pragma once

#include "read_packet.h"
#include "node_config.h"

#define GUE_SIZE 4
#define ECN_CONGESTED 3		/* in the low bits of TOS and traffic class (RFC 3168) */
#define READABLE_MOST 320	/* link layer, outer headers, extension headers, an ICMP quote */

struct tunnel {
	__u32 source[4];	/* outer */
	__u32 destination[4];
	__u32 inner;		/* offset of the inner packet */
	__u8 outer_family;
	__u8 is_fragment;	/* the outer packet is the first of its fragments */
	__u8 is_congested;	/* a router on the tunnel's way marked it (ECN) */
};

/* The family of the inner packet by the outer header's protocol; 0: no tunnel. */
static __always_inline __u32 inner_family(__u8 protocol)
{
	if (protocol == IPPROTO_IPIP)
		return FAMILY_V4;
	return protocol == IPPROTO_IPV6 ? FAMILY_V6 : FAMILY_NONE;
}

/* Reads the outer IP header; its protocol, 0 if it can't be a tunnel of ours:
 * LB nodes make neither options nor extension headers. */
static __always_inline __u8 read_outer(hook_ctx *ctx, __u32 at, struct tunnel *tunnel)
{
	struct ipv6hdr *ip6 = hook_data(ctx) + at;
	struct iphdr *ip = hook_data(ctx) + at;

	if (tunnel->outer_family == FAMILY_V4) {
		if ((void *)(ip + 1) > hook_end(ctx) || *(__u8 *)ip != 0x45 ||
		    ip->frag_off & IP_OFFSET)
			return 0;
		tunnel->source[0] = ip->saddr;
		tunnel->destination[0] = ip->daddr;
		tunnel->is_fragment = !!(ip->frag_off & IP_FRAGMENT);
		tunnel->is_congested = (ip->tos & ECN_CONGESTED) == ECN_CONGESTED;
		tunnel->inner = at + sizeof(*ip);
		return ip->protocol;
	}
	if ((void *)(ip6 + 1) > hook_end(ctx) || *(__u8 *)ip6 >> 4 != 6)
		return 0;
	copy_address(tunnel->source, ip6->saddr.in6_u.u6_addr32);
	copy_address(tunnel->destination, ip6->daddr.in6_u.u6_addr32);
	tunnel->is_congested = (ip6->flow_lbl[0] & ECN_CONGESTED << 4) == ECN_CONGESTED << 4;
	tunnel->inner = at + sizeof(*ip6);
	return ip6->nexthdr;
}

/* The protocol that Generic UDP Encapsulation carries; 0: it is not, or one of
 * a kind that LB nodes do not send (another version, options). */
static __always_inline __u8 read_gue(hook_ctx *ctx, struct tunnel *tunnel)
{
	struct udphdr *udp = hook_data(ctx) + (tunnel->inner & 0x7f);
	__u8 *gue = (void *)(udp + 1);

	if (gue + GUE_SIZE > (__u8 *)hook_end(ctx) || udp->dest != node_config.gue_port || gue[0])
		return 0;
	tunnel->inner += sizeof(*udp) + GUE_SIZE;
	return gue[1];
}

/* Reads the addresses of the inner packet into pkt. */
static __always_inline int read_inner(hook_ctx *ctx, const struct tunnel *tunnel,
				      struct packet *pkt)
{
	void *inner = hook_data(ctx) + (tunnel->inner & 0x7f);
	struct ipv6hdr *ip6 = inner;
	struct iphdr *ip = inner;

	if (pkt->family == FAMILY_V4) {
		if ((void *)(ip + 1) > hook_end(ctx) || *(__u8 *)ip >> 4 != 4)
			return -1;
		pkt->source[0] = ip->saddr;
		pkt->destination[0] = ip->daddr;
		pkt->length = bpf_ntohs(ip->tot_len);
		return 0;
	}
	if ((void *)(ip6 + 1) > hook_end(ctx) || *(__u8 *)ip6 >> 4 != 6)
		return -1;
	copy_address(pkt->source, ip6->saddr.in6_u.u6_addr32);
	copy_address(pkt->destination, ip6->daddr.in6_u.u6_addr32);
	pkt->length = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
	return 0;
}

/* Is this a tunnel with a packet for a VIP? Then pkt has its family, addresses
 * and length, and l3_offset is that of the outer header. */
static __always_inline int find_tunnel(hook_ctx *ctx, struct tunnel *tunnel, struct packet *pkt)
{
	__u32 found = find_ip(ctx), offset = found & 0xffff;
	__u8 protocol;

	if (!found)
		return 0;
	tunnel->outer_family = found >> 16;
	protocol = read_outer(ctx, offset, tunnel);
	if (protocol == IPPROTO_UDP)
		protocol = read_gue(ctx, tunnel);
	pkt->family = inner_family(protocol);
	pkt->l3_offset = offset;
	return pkt->family && !read_inner(ctx, tunnel, pkt) &&
	       is_vip(pkt->destination, pkt->family);
}
