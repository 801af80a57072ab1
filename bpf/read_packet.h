/* SPDX-License-Identifier: GPL-2.0 */
/* Reads link layer, IP and L4 headers, and refuses what makes no sense. */
#pragma once

#include "packet.h"
#include "verified_once.h"

#define IPV6_OPTIONS_MOST 256	/* bytes of extension headers */
#define IPV6_HEADERS_MOST 6
#define L3_SIZE_MASK 0x1ff	/* tells the verifier; nothing is larger */

/* linux/icmp.h needs a C library's headers. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__u32 rest;
};

struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;		/* in 8 bytes, upper 13 bits; the lowest: more */
	__be32 id;
};

/* Where the IP header is behind up to two VLAN tags, with the family in the
 * upper half; 0: there is none. */
static __always_inline __u32 find_ip(hook_ctx *ctx)
{
	void *data = hook_data(ctx), *end = hook_end(ctx);
	__u32 offset = ETH_HLEN;
	__u16 type;

	if (data + ETH_HLEN > end)
		return 0;
	type = *(__u16 *)(data + ETHERTYPE_OFFSET);
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		__u16 *tag = data + offset;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 2) > end)
			return 0;
		type = tag[1];
		offset += 4;
	}
	if (type == bpf_htons(ETH_P_IP))
		return offset | FAMILY_V4 << 16;
	return type == bpf_htons(ETH_P_IPV6) ? offset | FAMILY_V6 << 16 : 0;
}

static __always_inline int read_ipv4(hook_ctx *ctx, struct packet *pkt, struct headers *at)
{
	struct iphdr *ip = at->ip;

	if ((void *)(ip + 1) > at->end)
		return DROP(DROP_TRUNCATED);
	pkt->length = bpf_ntohs(ip->tot_len);
	pkt->l3_size = (*(__u8 *)ip & 0xf) * 4;
	if (*(__u8 *)ip >> 4 != 4 || pkt->l3_size < sizeof(*ip) || pkt->length < pkt->l3_size)
		return DROP(DROP_BAD_HEADER);
	if (pkt->l3_offset + pkt->length > hook_frame_length(ctx))
		return DROP(DROP_TRUNCATED);
	if (ip->frag_off & IP_FRAGMENT)
		pkt->fragment = ip->frag_off & IP_OFFSET ? FRAGMENT_LATER : FRAGMENT_FIRST;
	pkt->whole = !!(ip->frag_off & IP_DF);
	pkt->fragment_id = ip->id;
	pkt->protocol = ip->protocol;
	pkt->ttl = ip->ttl;
	return GO_ON;
}

/* One extension header: its size, and what follows in *next; 0 if the walk ends
 * here, -1 if it is not to be forwarded. */
static __always_inline int read_extension(struct packet *pkt, const void *header, __u8 *next)
{
	const struct fragment_header *fragment = header;
	const __u8 *bytes = header;
	__u16 offset;

	if (*next == IPPROTO_FRAGMENT) {
		offset = bpf_ntohs(fragment->offset);
		pkt->fragment_id = fragment->id;
		if (offset >> 3)
			pkt->fragment = FRAGMENT_LATER;
		else if (offset & 1)
			pkt->fragment = FRAGMENT_FIRST;
		*next = fragment->next;
		return sizeof(*fragment);
	}
	if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_DSTOPTS && *next != IPPROTO_ROUTING)
		return 0;
	if (*next == IPPROTO_ROUTING && bytes[3])
		return -1;
	*next = bytes[0];
	return (bytes[1] + 1) * 8;
}

/* Walks the extension headers; what is behind the last of a later fragment is
 * no header. */
static __noinline int read_extensions(hook_ctx *ctx, struct packet *pkt)
{
	__u32 at = 0;
	__u8 next;

	if (!pkt)
		return DROP(DROP_INTERNAL);
	next = pkt->protocol;
	for (int i = 0; i <= IPV6_HEADERS_MOST; i++) {
		void *header;
		int size;

		if (at > IPV6_OPTIONS_MOST)
			return DROP(DROP_EXTENSION_HEADER);
		header = hook_data(ctx) + pkt->l3_offset + sizeof(struct ipv6hdr) + at;
		if (pkt->fragment == FRAGMENT_LATER ||
		    (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
		     next != IPPROTO_FRAGMENT && next != IPPROTO_DSTOPTS))
			break;
		if (header + 8 > hook_end(ctx))
			return DROP(DROP_TRUNCATED);
		size = read_extension(pkt, header, &next);
		if (size < 0 || i == IPV6_HEADERS_MOST)
			return DROP(DROP_EXTENSION_HEADER);
		at += size;
	}
	pkt->protocol = next;
	pkt->l3_size = sizeof(struct ipv6hdr) + at;
	return pkt->length < pkt->l3_size ? DROP(DROP_TRUNCATED) : GO_ON;
}

static __always_inline int read_ipv6(hook_ctx *ctx, struct packet *pkt, struct headers *at)
{
	struct ipv6hdr *ip = at->ip;

	if ((void *)(ip + 1) > at->end)
		return DROP(DROP_TRUNCATED);
	/* A jumbogram says 0 and does not fit a frame. */
	pkt->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	pkt->l3_size = sizeof(*ip);
	if (*(__u8 *)ip >> 4 != 6 || bpf_ntohs(ip->payload_len) > 0xffff - sizeof(*ip))
		return DROP(DROP_BAD_HEADER);
	if (pkt->l3_offset + pkt->length > hook_frame_length(ctx))
		return DROP(DROP_TRUNCATED);
	pkt->protocol = ip->nexthdr;
	pkt->ttl = ip->hop_limit;
	return read_extensions(ctx, pkt);
}

/* Ports and flags. All protocols here have at least 8 bytes. */
static __always_inline int read_l4(struct packet *pkt, const struct headers *at)
{
	__u32 room = pkt->length - pkt->l3_size;
	__u8 data_offset;

	if (pkt->protocol != IPPROTO_TCP && pkt->protocol != IPPROTO_UDP && !is_icmp(pkt))
		return DROP(DROP_UNKNOWN_PROTOCOL);
	if (pkt->fragment == FRAGMENT_LATER)
		return GO_ON;
	if (room < sizeof(struct udphdr) || at->l4 + sizeof(struct udphdr) > at->end)
		return DROP(DROP_TRUNCATED);
	pkt->ports = *(__u32 *)at->l4;
	if (pkt->protocol != IPPROTO_TCP)
		return GO_ON;
	if (room < sizeof(struct tcphdr) || at->l4 + sizeof(struct tcphdr) > at->end)
		return DROP(DROP_TRUNCATED);
	data_offset = tcp_size(at->l4);
	if (data_offset < sizeof(struct tcphdr) ||
	    (data_offset > room && pkt->fragment == FRAGMENT_NONE))
		return DROP(DROP_BAD_HEADER);
	pkt->tcp_flags = *(__u8 *)(at->l4 + TCP_FLAGS_OFFSET);
	return GO_ON;
}

/* Finds the headers again after a helper moved the frame. */
static __always_inline void find_headers(hook_ctx *ctx, const struct packet *pkt,
					 struct headers *at)
{
	at->data = hook_data(ctx);
	at->end = hook_end(ctx);
	at->ip = at->data + pkt->l3_offset;
	at->l4 = at->ip + (pkt->l3_size & L3_SIZE_MASK);
}

/* Fills pkt, whose family, addresses and l3_offset are known; all else 0. */
VERIFIED_ONCE int read_packet(hook_ctx *ctx, struct packet *pkt)
{
	struct headers at;
	int result;

	if (!pkt)
		return DROP(DROP_INTERNAL);
	find_headers(ctx, pkt, &at);
	if (pkt->family == FAMILY_V4) {
		result = read_ipv4(ctx, pkt, &at);
	} else {
		result = read_ipv6(ctx, pkt, &at);
	}
	if (result)
		return result;
	find_headers(ctx, pkt, &at);
	return read_l4(pkt, &at);
}
