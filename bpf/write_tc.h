/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writing into a packet by offset, on tc; write_xdp.h has the same names. By
 * helpers only: a program that writes directly gets every cloned packet copied
 * on entry, also those that it leaves alone, and TCP sends clones.
 *
 * A device may have summed up the whole packet (CHECKSUM_COMPLETE). Changes
 * that a checksum in the packet balances leave that sum as it is; the address
 * of IPv6 is balanced by the L4 checksum, whose helper counts it once more.
 */
#pragma once

#include "hook_tc.h"

#define WRITE_MOST 0x7ff	/* no header is further behind: for the verifier */

#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV4
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV4 (1ull << 7)
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV6 (1ull << 8)
#endif

static __always_inline int write_address(hook_ctx *ctx, __u32 offset, const __u32 *address,
					 int long_address)
{
	if (!long_address)
		return bpf_skb_store_bytes(ctx, offset, address, 4, 0);
	return bpf_skb_store_bytes(ctx, offset, address, 16, BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int write_balanced_address(hook_ctx *ctx, __u32 offset,
						  const __u32 *address, int long_address)
{
	if (!long_address)
		return bpf_skb_store_bytes(ctx, offset, address, 4, 0);
	return bpf_skb_store_bytes(ctx, offset, address, 16, 0);
}

/* Two bytes; balanced: by a checksum in the packet that is written too. */
static __always_inline int write_half(hook_ctx *ctx, __u32 offset, __u16 half, const int balanced)
{
	return bpf_skb_store_bytes(ctx, offset, &half, sizeof(half),
				   balanced ? 0 : BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int write_port(hook_ctx *ctx, __u32 offset, __u16 port)
{
	return write_half(ctx, offset, port, 1);
}

static __always_inline int write_checksum(hook_ctx *ctx, __u32 offset, __u32 delta)
{
	return bpf_l3_csum_replace(ctx, offset, 0, checksum_fold(delta), 0);
}

static __always_inline int write_l4_checksum(hook_ctx *ctx, __u32 offset, __u8 protocol,
					     __u16 l3_delta, __u16 l4_delta)
{
	return hook_replace_l4(ctx, offset, protocol, l3_delta, l4_delta);
}

/* The tag is in the skb; a second one would be in the frame, and is refused. A
 * change of family needs Linux 6.3; where there is none, the flag that says so
 * would only keep older kernels from doing it. */
static __always_inline int strip_outer(hook_ctx *ctx, __u32 l3_offset, __u32 bytes,
				       __u16 ethertype)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;

	if (ctx->protocol != ethertype)
		flags |= ethertype == bpf_htons(ETH_P_IP) ? BPF_F_ADJ_ROOM_DECAP_L3_IPV4 :
							    BPF_F_ADJ_ROOM_DECAP_L3_IPV6;
	if (l3_offset != ETH_HLEN || bpf_skb_adjust_room(ctx, -(__s32)bytes, BPF_ADJ_ROOM_MAC, flags))
		return -1;
	return bpf_skb_store_bytes(ctx, 2 * ETH_ALEN, &ethertype, sizeof(ethertype), 0);
}
