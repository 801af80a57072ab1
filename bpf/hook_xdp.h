/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the hooks, for XDP. hook_tc.h has the same names. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "checksum.h"
#include "verdict.h"

#define HOOK_PASS XDP_PASS
#define HOOK_DROP XDP_DROP

typedef struct xdp_md hook_ctx;

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
	return ctx->ingress_ifindex;
}

/* The verifier wants pointers subtracted in 64 bits; the compiler is kept from
 * narrowing it. */
static __always_inline __u32 hook_frame_length(const hook_ctx *ctx)
{
	__u64 length = hook_end(ctx) - hook_data(ctx);

	asm volatile("" : "+r"(length));
	return length;
}

/* Tags are in the frame. */
static __always_inline int hook_is_tagged(const hook_ctx *ctx)
{
	return 0;
}

/* XDP frames are linear here. */
static __always_inline void hook_make_readable(hook_ctx *ctx, __u32 bytes)
{
}

/* Sets the L4 checksum right after addresses and ports were written. */
static __always_inline int hook_update_l4(hook_ctx *ctx, void *checksum, __u32 offset,
					  __u8 protocol, __u16 l3_delta, __u16 l4_delta)
{
	__u16 *sum = checksum, updated;

	if (protocol == IPPROTO_UDP && *sum == 0)
		return 0;
	updated = checksum_update(*sum, l4_delta);
	if (protocol == IPPROTO_UDP && updated == 0)
		updated = 0xffff;
	*sum = updated;
	return 0;
}

/* There is no sum over frames here. */
static __always_inline void hook_add_to_sum(hook_ctx *ctx, __u16 delta)
{
}

static __always_inline int hook_send(hook_ctx *ctx, __u32 ifindex)
{
	if (likely(ifindex == ctx->ingress_ifindex))
		return DONE(XDP_TX);
	return DONE((int)bpf_redirect(ifindex, 0));
}

/* Makes room for an outer header behind the Ethernet header of an untagged
 * frame; that header is to be written anew. protocol is of the L4 inside. */
static __always_inline int hook_open_outer(hook_ctx *ctx, __u32 bytes, __u32 outer_family, int gue,
					   __u8 protocol)
{
	return bpf_xdp_adjust_head(ctx, -(int)bytes);
}

/* The same, at least 8 bytes, behind the link layer of any frame, which is kept. */
static __always_inline int hook_open_gap(hook_ctx *ctx, __u8 *l3_offset, __u32 bytes,
					 __u32 outer_family, int gue, __u8 protocol)
{
	__u8 link[ETH_HLEN + 8], *data = hook_data(ctx);

	if (data + sizeof(link) > (__u8 *)hook_end(ctx))
		return -1;
	/* Of a shorter link layer this copies more, into the room. */
	__builtin_memcpy(link, data, sizeof(link));
	if (bpf_xdp_adjust_head(ctx, -(int)bytes))
		return -1;
	data = hook_data(ctx);
	if (data + sizeof(link) > (__u8 *)hook_end(ctx))
		return -1;
	__builtin_memcpy(data, link, sizeof(link));
	return 0;
}

/* The length of the packets that leave for one of this length and these headers
 * when outer bytes are put before it. */
static __always_inline __u32 hook_wire_length(const hook_ctx *ctx, __u8 protocol, __u32 headers,
					      __u32 length, __u32 outer)
{
	return length + outer;
}

/* Does the kernel complete the L4 checksum only when the frame leaves? */
static __always_inline int hook_may_be_partial(void)
{
	return 0;
}

/* Makes the frame bytes longer (or shorter) at its start, or end. */
static __always_inline int hook_grow_head(hook_ctx *ctx, int bytes)
{
	return bpf_xdp_adjust_head(ctx, -bytes);
}

static __always_inline int hook_set_length(hook_ctx *ctx, __u32 length)
{
	return bpf_xdp_adjust_tail(ctx, (int)length - (int)hook_frame_length(ctx));
}

static __always_inline int push_tag(hook_ctx *ctx, __u16 vlan)
{
	__u8 *data, *end;

	if (hook_grow_head(ctx, 4))
		return -1;
	data = hook_data(ctx);
	end = hook_end(ctx);
	if (data + ETH_HLEN + 4 > end)
		return -1;
	__builtin_memmove(data, data + 4, 2 * ETH_ALEN);
	*(__u16 *)(data + 12) = bpf_htons(ETH_P_8021Q);
	*(__u16 *)(data + 14) = bpf_htons(vlan);
	return 0;
}

static __always_inline int pop_tag(hook_ctx *ctx)
{
	__u8 *data = hook_data(ctx), *end = hook_end(ctx), macs[2 * ETH_ALEN];

	if (data + ETH_HLEN + 4 > end)
		return -1;
	__builtin_memcpy(macs, data, sizeof(macs));
	__builtin_memcpy(data + 4, macs, sizeof(macs));
	return hook_grow_head(ctx, -4);
}

/* Leaves the one 802.1Q tag that the next hop wants, or with 0 none. A tag that
 * stays keeps its priority. */
static __always_inline int hook_set_vlan(hook_ctx *ctx, __u8 l3_offset, __u16 vlan)
{
	__u8 *data;
	__u16 *tci;

	if (likely(l3_offset == ETH_HLEN))
		return vlan ? push_tag(ctx, vlan) : 0;
	if (l3_offset > ETH_HLEN + 4 && pop_tag(ctx))
		return -1;
	if (!vlan)
		return pop_tag(ctx);
	data = hook_data(ctx);
	if (data + ETH_HLEN + 4 > (__u8 *)hook_end(ctx))
		return -1;
	tci = (__u16 *)(data + ETH_HLEN);
	*(__u16 *)(data + 12) = bpf_htons(ETH_P_8021Q);
	*tci = (*tci & bpf_htons(0xf000)) | bpf_htons(vlan);
	return 0;
}
