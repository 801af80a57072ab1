/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the hooks, for tc. Packets may be GSO, not linear, or
 * carry a partial checksum, so L4 checksums go through the kernel's helper;
 * the outer VLAN tag is in the skb, not in the frame.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "checksum.h"
#include "verdict.h"

#define HOOK_PASS TC_ACT_UNSPEC
#define HOOK_DROP TC_ACT_SHOT

typedef struct __sk_buff hook_ctx;

static __always_inline void *hook_data(const hook_ctx *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *hook_end(const hook_ctx *ctx)
{
	return (void *)(long)ctx->data_end;
}

static __always_inline __u32 hook_ingress(const hook_ctx *ctx)
{
	return ctx->ifindex;
}

static __always_inline __u32 hook_frame_length(const hook_ctx *ctx)
{
	return ctx->len;
}

static __always_inline int hook_is_tagged(const hook_ctx *ctx)
{
	return ctx->vlan_present;
}

static __always_inline void hook_make_readable(hook_ctx *ctx, __u32 bytes)
{
	if (hook_data(ctx) + bytes > hook_end(ctx))
		bpf_skb_pull_data(ctx, bytes < ctx->len ? bytes : ctx->len);
}

/* The kernel knows whether the checksum is complete or partial. Addresses are
 * in the pseudo header, ports are not; changes: of addresses and ports. */
static __always_inline int hook_replace_l4(hook_ctx *ctx, __u32 offset, __u8 protocol,
					   __u16 addresses, __u16 changes)
{
	__u64 flags = protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u16 ports = checksum_fold(changes + (__u16)~addresses);

	if (bpf_l4_csum_replace(ctx, offset, 0, addresses, flags | BPF_F_PSEUDO_HDR))
		return -1;
	return bpf_l4_csum_replace(ctx, offset, 0, ports, flags);
}

/* l3_delta: of the addresses and of the TTL, which L4 does not cover. */
static __always_inline int hook_update_l4(hook_ctx *ctx, void *checksum, __u32 offset,
					  __u8 protocol, __u16 l3_delta, __u16 l4_delta)
{
	__u16 addresses = checksum_fold(l3_delta + (__u16)~TTL_LESS_ONE_DELTA);

	return hook_replace_l4(ctx, offset, protocol, addresses, l4_delta);
}

/* A device may have summed up the whole packet (CHECKSUM_COMPLETE). That sum
 * changes by what no checksum in the packet takes up: of IPv6 the hop limit,
 * and the addresses, for which hook_update_l4 takes off what IPv4's header
 * checksum would have. Nothing happens to packets without such a sum. */
static __always_inline void hook_add_to_sum(hook_ctx *ctx, __u16 delta)
{
	bpf_csum_update(ctx, delta);
}

static __always_inline int hook_send(hook_ctx *ctx, __u32 ifindex)
{
	return DONE((int)bpf_redirect(ifindex, 0));
}

static __always_inline int hook_grow_head(hook_ctx *ctx, int bytes)
{
	return bpf_skb_change_head(ctx, bytes, 0);
}

/* So that the kernel can segment and offload what it was given in one piece.
 * TCP's segments become smaller by the outer header, datagrams stay whole. */
static __always_inline int hook_open_outer(hook_ctx *ctx, __u32 bytes, __u32 outer_family, int gue,
					   __u8 protocol)
{
	__u64 flags = outer_family == 4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 :
					  BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;

	if (gue)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (protocol == IPPROTO_UDP)
		flags |= BPF_F_ADJ_ROOM_FIXED_GSO;
	return bpf_skb_adjust_room(ctx, bytes, BPF_ADJ_ROOM_MAC, flags);
}

/* Tags that are in the frame are taken out of it, but for one, which the kernel
 * keeps beside it. */
static __always_inline int hook_open_gap(hook_ctx *ctx, __u8 *l3_offset, __u32 bytes,
					 __u32 outer_family, int gue, __u8 protocol)
{
	if (*l3_offset > ETH_HLEN && bpf_skb_vlan_pop(ctx))
		return -1;
	if (*l3_offset > ETH_HLEN + 4 && bpf_skb_vlan_pop(ctx))
		return -1;
	*l3_offset = ETH_HLEN;
	return hook_open_outer(ctx, bytes, outer_family, gue, protocol);
}

/* The length of the packets that leave for one of this length and these headers
 * when outer bytes are put before it: what came in one piece leaves in segments.
 * Those of TCP stay as long as they were, see hook_open_outer. */
static __always_inline __u32 hook_wire_length(const hook_ctx *ctx, __u8 protocol, __u32 headers,
					      __u32 length, __u32 outer)
{
	__u32 segment = ctx->gso_size;

	if (likely(!segment))
		return length + outer;
	return headers + segment + (protocol == IPPROTO_UDP ? outer : 0);
}

/* Does the kernel complete the L4 checksum only when the frame leaves? */
static __always_inline int hook_may_be_partial(void)
{
	return 1;
}

static __always_inline int hook_set_length(hook_ctx *ctx, __u32 length)
{
	return bpf_skb_change_tail(ctx, length, 0);
}

/* Leaves the one 802.1Q tag that the next hop wants, or with 0 none. A tag that
 * stays keeps its priority. The outermost tag is beside the frame; taking it off
 * moves the next one there. */
static __always_inline int hook_set_vlan(hook_ctx *ctx, __u8 l3_offset, __u16 vlan)
{
	if (likely(!ctx->vlan_present && l3_offset == ETH_HLEN))
		return vlan ? bpf_skb_vlan_push(ctx, bpf_htons(ETH_P_8021Q), vlan) : 0;
	for (__u8 offset = ETH_HLEN; offset < ETH_HLEN + 8; offset += 4)
		if (l3_offset > offset && bpf_skb_vlan_pop(ctx))
			return -1;
	if (vlan)
		vlan |= ctx->vlan_tci & 0xf000;
	if (bpf_skb_vlan_pop(ctx))
		return -1;
	return vlan ? bpf_skb_vlan_push(ctx, bpf_htons(ETH_P_8021Q), vlan) : 0;
}
