/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet path as a list of steps, the same on every hook. docs/
 * packet-path.md says what each step does.
 */
#pragma once

#include "fast_path.h"
#include "reject.h"

#define HEADERS_MOST (LINK_MOST + 60 + sizeof(struct tcphdr))

/* A packet to the node's own address that is no flow of ours is the kernel's. */
static __always_inline int is_kernels(const struct packet *pkt, int reason)
{
	return pkt->role == ROLE_ANSWER && pkt->snat_own && reason != DROP_TTL &&
	       reason != DROP_NO_ROUTE && reason != DROP_INTERNAL;
}

static __always_inline int finish(hook_ctx *ctx, const struct packet *pkt, int result)
{
	int reason = -result;

	if (likely(result > GO_ON))
		return result - VERDICT_BASE;
	if (is_kernels(pkt, reason)) {
		count_event(EVENT_SNAT_PASSED, pkt->length);
		return HOOK_PASS;
	}
	if (reason == DROP_UNKNOWN_PORT || reason == DROP_NO_BACKEND || reason == DROP_NO_FLOW) {
		result = reject(ctx, pkt, reason);
		if (result > GO_ON)
			return result - VERDICT_BASE;
		reason = -result;
	}
	count_drop(pkt, reason);
	return HOOK_DROP;
}

/* Fields of pkt that a refused packet never had are left as they are: to give
 * them values would cost every packet. */
static __noinline int refuse(hook_ctx *ctx, __u32 length, __u32 role, int result)
{
	struct packet pkt = {
		.length = length, .role = role & ROLE_MASK, .snat_own = !!(role & SNAT_OWN),
	};

	return finish(ctx, &pkt, result);
}

/* A packet to an address in a VIP range. */
static __always_inline int to_vip(hook_ctx *ctx, __u32 l3_offset, __u32 l3_size)
{
	struct packet pkt;
	struct headers at;
	int result;

	pkt.l3_offset = l3_offset;
	pkt.l3_size = l3_size;
	pkt.role = ROLE_TO_VIP;
	pkt.snat_own = 0;
	pkt.service = 0;
	pkt.length = 0;
	result = read_ipv4(ctx, &pkt, &at);
	if (unlikely(result) || unlikely((result = read_l4(&pkt, &at))))
		return refuse(ctx, pkt.length, ROLE_TO_VIP, result);
	pkt.now = clock_now();
	if (unlikely(pkt.protocol == IPPROTO_ICMP))
		return finish(ctx, &pkt, answer_icmp(ctx, &pkt, &at));
	return finish(ctx, &pkt, forward(ctx, &pkt, &at));
}

/* A packet to a SNAT address: snat is its number, and SNAT_OWN. */
static __always_inline int to_snat(hook_ctx *ctx, __u32 l3_offset, __u32 l3_size, __u32 snat)
{
	struct packet pkt;
	struct headers at;
	int result;

	pkt.l3_offset = l3_offset;
	pkt.l3_size = l3_size;
	pkt.role = ROLE_ANSWER;
	pkt.snat_index = snat;
	pkt.snat_own = !!(snat & SNAT_OWN);
	pkt.service = 0;
	pkt.length = 0;
	result = read_ipv4(ctx, &pkt, &at);
	if (unlikely(result) || unlikely((result = read_l4(&pkt, &at))))
		return refuse(ctx, pkt.length, ROLE_ANSWER | (snat & SNAT_OWN), result);
	if (unlikely(pkt.protocol == IPPROTO_ICMP))
		return refuse(ctx, pkt.length, ROLE_ANSWER | (snat & SNAT_OWN), DROP(DROP_ICMP));
	pkt.now = clock_now();
	return finish(ctx, &pkt, answer(ctx, &pkt, &at));
}

static __noinline int to_vip_any(hook_ctx *ctx, __u32 l3_offset, __u32 l3_size)
{
	return to_vip(ctx, l3_offset, l3_size);
}

static __noinline int to_snat_any(hook_ctx *ctx, __u32 l3_offset, __u32 l3_size, __u32 snat)
{
	return to_snat(ctx, l3_offset, l3_size, snat);
}

/* The general path. */
static __noinline int balance_any(hook_ctx *ctx)
{
	const volatile struct snat_range *range;
	__u32 offset = find_ipv4(ctx), size;
	struct iphdr *ip = hook_data(ctx) + offset;

	if (!offset || (void *)(ip + 1) > hook_end(ctx))
		return HOOK_PASS;
	size = (*(__u8 *)ip & 0xf) * 4;
	if (is_in_vip_range(ip->daddr))
		return to_vip_any(ctx, offset, size);
	range = find_snat_range(ip->daddr);
	if (!range)
		return HOOK_PASS;
	return to_snat_any(ctx, offset, size,
			   snat_number(range, ip->daddr) | (range->own ? SNAT_OWN : 0));
}

static __always_inline int conclude(hook_ctx *ctx, int result)
{
	if (likely(result > GO_ON))
		return result - VERDICT_BASE;
	return result ? refuse(ctx, 0, ROLE_TO_VIP, result) : balance_any(ctx);
}

static __always_inline int balance(hook_ctx *ctx)
{
	struct iphdr *ip;
	__u32 number;
	void *frame;

	hook_make_readable(ctx, HEADERS_MOST);
	frame = hook_data(ctx);
	ip = PLAIN_IP(frame);
	if (hook_is_tagged(ctx) || frame + PLAIN_SIZE > hook_end(ctx) || *(__u8 *)ip != 0x45 ||
	    *(__u16 *)(frame + ETHERTYPE_OFFSET) != bpf_htons(ETH_P_IP))
		return balance_any(ctx);
	if (is_in_vip_range(ip->daddr)) {
		if (likely(ip->protocol == IPPROTO_TCP))
			return conclude(ctx, forward_plain(ctx, frame, IPPROTO_TCP));
		if (ip->protocol == IPPROTO_UDP)
			return conclude(ctx, forward_plain(ctx, frame, IPPROTO_UDP));
		return balance_any(ctx);
	}
	if (!find_snat_number(ip->daddr, &number))
		return HOOK_PASS;
	if (likely(ip->protocol == IPPROTO_TCP))
		return conclude(ctx, answer_plain(ctx, frame, IPPROTO_TCP, number));
	if (ip->protocol == IPPROTO_UDP)
		return conclude(ctx, answer_plain(ctx, frame, IPPROTO_UDP, number));
	return balance_any(ctx);
}
