/* SPDX-License-Identifier: GPL-2.0 */
/* Writing into a packet by offset, on XDP. write_tc.h has the same names. Each
 * returns 0, or -1 where the frame is too short. */
#pragma once

#include "hook_xdp.h"

#define WRITE_MOST 0x7ff	/* no header is further behind: for the verifier */

static __always_inline void *writable(hook_ctx *ctx, __u32 offset, const __u32 size)
{
	void *at = hook_data(ctx) + (offset & WRITE_MOST);

	return at + size > hook_end(ctx) ? NULL : at;
}

static __always_inline int write_word(hook_ctx *ctx, __u32 offset, __u32 word)
{
	__u32 *at = writable(ctx, offset, sizeof(word));

	if (!at)
		return -1;
	*at = word;
	return 0;
}

/* An address that a pseudo header covers; of IPv6 if long_address. */
static __always_inline int write_address(hook_ctx *ctx, __u32 offset, const __u32 *address,
					 int long_address)
{
	__u32 *at;

	if (!long_address)
		return write_word(ctx, offset, address[0]);
	at = writable(ctx, offset, 16);
	if (!at)
		return -1;
	at[0] = address[0];
	at[1] = address[1];
	at[2] = address[2];
	at[3] = address[3];
	return 0;
}

/* An address that is balanced by a checksum in the packet which is written too. */
static __always_inline int write_balanced_address(hook_ctx *ctx, __u32 offset,
						  const __u32 *address, int long_address)
{
	return write_address(ctx, offset, address, long_address);
}

/* Two bytes; balanced: by a checksum in the packet that is written too. */
static __always_inline int write_half(hook_ctx *ctx, __u32 offset, __u16 half, const int balanced)
{
	__u16 *at = writable(ctx, offset, sizeof(half));

	if (!at)
		return -1;
	*at = half;
	return 0;
}

static __always_inline int write_port(hook_ctx *ctx, __u32 offset, __u16 port)
{
	return write_half(ctx, offset, port, 1);
}

/* A checksum of the IP header, or of ICMP. */
static __always_inline int write_checksum(hook_ctx *ctx, __u32 offset, __u32 delta)
{
	__u16 *at = writable(ctx, offset, sizeof(*at));

	if (!at)
		return -1;
	*at = checksum_apply(*at, delta);
	return 0;
}

static __always_inline int write_l4_checksum(hook_ctx *ctx, __u32 offset, __u8 protocol,
					     __u16 l3_delta, __u16 l4_delta)
{
	__u16 *at = writable(ctx, offset, sizeof(*at));

	return at ? hook_update_l4(ctx, at, offset, protocol, l3_delta, l4_delta) : -1;
}

/* Takes out what is between the link layer's header and the inner packet. */
static __always_inline int strip_outer(hook_ctx *ctx, __u32 l3_offset, __u32 bytes,
				       __u16 ethertype)
{
	__u32 *data = hook_data(ctx), link[5];
	__u16 last;

	if (data + 5 > (__u32 *)hook_end(ctx))
		return -1;
	__builtin_memcpy(link, data, sizeof(link));
	if (hook_grow_head(ctx, -(int)bytes))
		return -1;
	data = hook_data(ctx);
	if ((void *)data + ETH_HLEN + 8 > hook_end(ctx))
		return -1;
	data[0] = link[0];
	data[1] = link[1];
	data[2] = link[2];
	if (l3_offset > ETH_HLEN)
		data[3] = link[3];
	if (l3_offset > ETH_HLEN + 4)
		data[4] = link[4];
	last = l3_offset == ETH_HLEN ? 0 : l3_offset == ETH_HLEN + 4 ? 4 : 8;
	*(__u16 *)((void *)data + ETH_HLEN - 2 + last) = ethertype;
	return 0;
}
