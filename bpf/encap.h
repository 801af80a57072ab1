/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The outer headers of DSR: IP in IP (RFC 2003, 2473, 4213) and Generic UDP
 * Encapsulation (draft-ietf-intarea-gue, variant 0 without options). The
 * source varies with the flow, so that receive-side scaling and ECMP on the
 * way spread.
 */
#pragma once

#include "checksum.h"
#include "config.h"
#include "packet.h"

#define OUTER_TTL 64
#define OUTER_DF 0x0040			/* the flags word, as loaded */
#define LINK_MASK 0x1f			/* tells the verifier; no link layer is longer */
#define GUE_SIZE 12			/* UDP, and four bytes of GUE */
#define GUE_FIRST_PORT 0xc000		/* source ports 49152..65535 */

/* What the outer header says of the packet inside. */
struct inner {
	__u32 hash;
	__u16 length;		/* from the IP header on */
	__u16 fragment_id;	/* as loaded; not 0: the outer packet may be fragmented */
	__u8 tos;		/* or traffic class */
	__u8 family;
	__u8 protocol;		/* of its L4 */
};

/* Bytes that the mode puts before a packet. */
static __always_inline __u32 outer_size(__u32 mode, __u32 outer_family)
{
	__u32 size = outer_family == FAMILY_V4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	if (mode == MODE_L2)
		return 0;
	return mode == MODE_GUE ? size + GUE_SIZE : size;
}

static __always_inline __u8 encapsulated_protocol(__u32 family)
{
	return family == FAMILY_V4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* No checksum in either family (RFC 6935, 6936: the inner one covers what
 * matters, and an outer header gone wrong leads to no tunnel end). */
static __always_inline void write_gue(void *at, const struct inner *inner)
{
	__u16 port = bpf_htons(GUE_FIRST_PORT | (inner->hash & ~GUE_FIRST_PORT));
	__u64 length = bpf_htons(inner->length + GUE_SIZE);

	*(__u64 *)at = port | (__u32)config.gue_port << 16 | length << 32;
	*(__u32 *)(at + sizeof(struct udphdr)) = encapsulated_protocol(inner->family) << 8;
}

/* backend->outer_checksum is the sum of all words that do not change by packet. */
static __always_inline void write_outer4(void *at, const struct backend *backend,
					 const struct inner *inner, const int gue)
{
	__u32 varied = inner->hash & ~config.outer4.mask, *word = at, flags = OUTER_DF;
	__u32 protocol = gue ? IPPROTO_UDP : encapsulated_protocol(inner->family);
	__u16 length = bpf_htons(inner->length + sizeof(struct iphdr) + (gue ? GUE_SIZE : 0));
	__u32 sum = backend->outer_checksum + length + (inner->tos << 8) + (__u16)varied +
		    (varied >> 16);

	word[1] = flags << 16;
	if (unlikely(inner->fragment_id)) {
		word[1] = inner->fragment_id;
		sum += inner->fragment_id + (__u16)~OUTER_DF;
	}
	word[0] = 0x45 | inner->tos << 8 | (__u32)length << 16;
	word[2] = OUTER_TTL | protocol << 8 | (__u32)(__u16)~checksum_fold(sum) << 16;
	word[3] = config.outer4.network | varied;
	word[4] = backend->addr[0];
	if (gue)
		write_gue(at + sizeof(struct iphdr), inner);
}

static __always_inline void write_outer6(void *at, const struct backend *backend,
					 const struct inner *inner, const int gue)
{
	__u32 next = gue ? IPPROTO_UDP : encapsulated_protocol(inner->family), *word = at;

	word[0] = bpf_htonl(6u << 28 | inner->tos << 20 | (inner->hash & 0xfffff));
	word[1] = bpf_htons(inner->length + (gue ? GUE_SIZE : 0)) | next << 16 | OUTER_TTL << 24;
	word[2] = config.outer6.network[0];
	word[3] = config.outer6.network[1];
	word[4] = config.outer6.network[2];
	word[5] = config.outer6.network[3] | (inner->hash & ~config.outer6.mask[3]);
	copy_address(&word[6], backend->addr);
	if (gue)
		write_gue(at + sizeof(struct ipv6hdr), inner);
}

/* The inner packet has at least 20 bytes, so that there is room to check for
 * the largest outer header of its family whichever it is. */
static __always_inline int write_outer(hook_ctx *ctx, __u32 l3_offset, const struct backend *backend,
				       const struct inner *inner, const int gue)
{
	void *at = hook_data(ctx) + l3_offset, *end = hook_end(ctx);

	if (backend->family == FAMILY_V4) {
		if (at + sizeof(struct iphdr) + GUE_SIZE > end)
			return -1;
		write_outer4(at, backend, inner, gue);
	} else {
		if (at + sizeof(struct ipv6hdr) + GUE_SIZE > end)
			return -1;
		write_outer6(at, backend, inner, gue);
	}
	return 0;
}

static __always_inline __u16 ethertype_of(__u32 family)
{
	return family == FAMILY_V4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

/* Puts the outer headers of the mode, which is not MODE_L2, before the packet;
 * the frame keeps its link layer but for the ethertype. */
static __noinline int encapsulate_any(hook_ctx *ctx, struct packet *pkt,
				      const struct backend *backend, const struct inner *inner,
				      __u32 mode)
{
	void *ethertype;
	__u32 offset;

	if (!pkt || !backend || !inner ||
	    hook_open_gap(ctx, &pkt->l3_offset, outer_size(mode, backend->family),
			  backend->family, mode == MODE_GUE, inner->protocol) ||
	    write_outer(ctx, pkt->l3_offset, backend, inner, mode == MODE_GUE))
		return DROP(DROP_INTERNAL);
	offset = (pkt->l3_offset - sizeof(__u16)) & LINK_MASK;
	ethertype = hook_data(ctx) + offset;
	if (ethertype + sizeof(__u16) > hook_end(ctx))
		return DROP(DROP_INTERNAL);
	*(__u16 *)ethertype = ethertype_of(backend->family);
	return GO_ON;
}
