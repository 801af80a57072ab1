/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet path as a list of steps, the same on every hook. docs/
 * packet-path.md says what each step does.
 */
#pragma once

#include "fast_dsr.h"
#include "fragment.h"
#include "icmp_error.h"
#include "time_exceeded.h"
#include "reject.h"

#define HEADERS_MOST (LINK_MOST + 60 + sizeof(struct tcphdr))
#define DEEP_HEADERS_MOST 400	/* with extension headers, and an ICMP quote behind them */

/* A packet to the node's own address that is no flow of ours is the kernel's. */
static __always_inline int is_kernels(const struct packet *pkt, int reason)
{
	return pkt->role == ROLE_ANSWER && pkt->snat_own && reason != DROP_TTL &&
	       reason != DROP_NO_ROUTE && reason != DROP_TOO_BIG && reason != DROP_INTERNAL;
}

/* From what the steps said to what the hook does, counted. */
static __noinline int finish(hook_ctx *ctx, const struct packet *pkt, int result)
{
	int reason = -result;

	if (!pkt)
		return HOOK_DROP;
	if (likely(result > GO_ON))
		return result - VERDICT_BASE;
	if (is_kernels(pkt, reason)) {
		count_event(EVENT_SNAT_PASSED, pkt->length);
		return HOOK_PASS;
	}
	if (reason == DROP_TTL)
		result = answer_ttl(ctx, pkt);
	if (reason == DROP_UNKNOWN_PORT || reason == DROP_NO_BACKEND || reason == DROP_NO_FLOW)
		result = reject(ctx, pkt, reason);
	if (result > GO_ON)
		return result - VERDICT_BASE;
	count_drop(pkt, -result);
	return HOOK_DROP;
}

static __always_inline int handle_icmp(hook_ctx *ctx, struct scratch *scratch)
{
	struct packet *pkt = &scratch->pkt;
	int result;

	if (pkt->role == ROLE_TO_VIP && is_echo(pkt))
		return answer_echo(ctx, pkt);
	result = read_quote(ctx, pkt, &scratch->quote);
	if (result)
		return result;
	return pkt->role == ROLE_ANSWER ? error_to_client(ctx, scratch) :
					  error_to_backend(ctx, scratch);
}

static __always_inline int handle(hook_ctx *ctx, struct scratch *scratch)
{
	struct packet *pkt = &scratch->pkt;
	int result = read_packet(ctx, pkt);

	if (unlikely(result))
		return result;
	pkt->now = clock_now();
	if (unlikely(pkt->fragment == FRAGMENT_LATER) && (result = learn_ports(pkt)))
		return result;
	if (is_icmp(pkt))
		result = handle_icmp(ctx, scratch);
	else if (pkt->role == ROLE_ANSWER)
		result = answer(ctx, scratch);
	else
		result = forward(ctx, scratch);
	if (unlikely(pkt->fragment == FRAGMENT_FIRST) && result > GO_ON)
		teach_ports(pkt);
	return result;
}

/* The packet's family and addresses; 0 if it is neither to a VIP nor to a SNAT
 * address. */
static __always_inline int claim_ipv4(struct packet *pkt, const struct iphdr *ip)
{
	struct snat_place snat;

	if (!is_vip4(ip->daddr)) {
		snat = find_snat4(ip->daddr);
		if (snat.number < 0)
			return 0;
		pkt->role = ROLE_ANSWER;
		pkt->snat_number = snat.number;
		pkt->snat_own = snat.own;
	}
	pkt->source[0] = ip->saddr;
	pkt->destination[0] = ip->daddr;
	return 1;
}

static __always_inline int claim_ipv6(struct packet *pkt, const struct ipv6hdr *ip)
{
	const __u32 *to = ip->daddr.in6_u.u6_addr32;
	struct snat_place snat;

	if (!is_vip6(to)) {
		snat = find_snat6(to);
		if (snat.number < 0)
			return 0;
		pkt->role = ROLE_ANSWER;
		pkt->snat_number = snat.number;
		pkt->snat_own = snat.own;
	}
	copy_address(pkt->source, ip->saddr.in6_u.u6_addr32);
	copy_address(pkt->destination, to);
	return 1;
}

/* The general path. */
static __noinline int balance_any(hook_ctx *ctx)
{
	struct scratch *scratch = get_scratch();
	__u32 found = find_ip(ctx), offset = found & 0xff;
	void *ip = hook_data(ctx) + offset;
	struct packet *pkt;
	__u8 next;

	if (!scratch || !found)
		return HOOK_PASS;
	pkt = &scratch->pkt;
	__builtin_memset(pkt, 0, sizeof(*pkt));
	pkt->family = found >> 16;
	pkt->l3_offset = offset;
	if (pkt->family == FAMILY_V4) {
		if (ip + sizeof(struct iphdr) > hook_end(ctx) || !claim_ipv4(pkt, ip))
			return HOOK_PASS;
		next = ((struct iphdr *)ip)->protocol;
	} else {
		if (ip + sizeof(struct ipv6hdr) > hook_end(ctx) || !claim_ipv6(pkt, ip))
			return HOOK_PASS;
		next = ((struct ipv6hdr *)ip)->nexthdr;
	}
	/* Only here: to have more of every packet readable is to copy its payload. */
	if (next != IPPROTO_TCP && next != IPPROTO_UDP)
		hook_make_readable(ctx, DEEP_HEADERS_MOST);
	return finish(ctx, pkt, handle(ctx, scratch));
}

/* A fast path that could not end what it began. */
static __noinline int drop_internal(hook_ctx *ctx)
{
	struct scratch *scratch = get_scratch();

	if (!scratch)
		return HOOK_DROP;
	__builtin_memset(&scratch->pkt, 0, sizeof(scratch->pkt));
	return finish(ctx, &scratch->pkt, DROP(DROP_INTERNAL));
}

static __always_inline int conclude(hook_ctx *ctx, int result)
{
	if (likely(result > GO_ON))
		return result - VERDICT_BASE;
	return result == GENERAL_PATH ? balance_any(ctx) : drop_internal(ctx);
}

/* An IPv6 frame without a tag. */
static __always_inline int balance_ipv6(hook_ctx *ctx, void *frame)
{
	struct ipv6hdr *ip = frame + ETH_HLEN;

	if ((void *)(ip + 1) + sizeof(struct tcphdr) > hook_end(ctx) || *(__u8 *)ip >> 4 != 6)
		return balance_any(ctx);
	if (!is_vip6(ip->daddr.in6_u.u6_addr32))
		return find_snat6(ip->daddr.in6_u.u6_addr32).number < 0 ? HOOK_PASS :
									  balance_any(ctx);
	if (ip->nexthdr == IPPROTO_TCP)
		return conclude(ctx, plain_to_vip(ctx, frame, FAMILY_V6, IPPROTO_TCP));
	if (ip->nexthdr == IPPROTO_UDP)
		return conclude(ctx, plain_to_vip(ctx, frame, FAMILY_V6, IPPROTO_UDP));
	return balance_any(ctx);
}

/* What is rare is at the end: the compiler keeps this order, and a jump for every
 * packet costs. */
static __always_inline int balance(hook_ctx *ctx)
{
	struct iphdr *ip;
	__u32 number;
	void *frame;

	hook_make_readable(ctx, HEADERS_MOST);
	frame = hook_data(ctx);
	ip = PLAIN_IP(frame);
	if (hook_is_tagged(ctx) || frame + PLAIN_SIZE > hook_end(ctx))
		goto general;
	if (*(__u16 *)(frame + ETHERTYPE_OFFSET) != bpf_htons(ETH_P_IP))
		goto not_ipv4;
	if (*(__u8 *)ip != 0x45)
		goto general;
	if (is_vip4(ip->daddr)) {
		if (likely(ip->protocol == IPPROTO_TCP))
			return conclude(ctx, plain_to_vip(ctx, frame, FAMILY_V4, IPPROTO_TCP));
		if (ip->protocol == IPPROTO_UDP)
			return conclude(ctx, plain_to_vip(ctx, frame, FAMILY_V4, IPPROTO_UDP));
		goto general;
	}
	if (!find_snat_number(ip->daddr, &number))
		return HOOK_PASS;
	if (likely(ip->protocol == IPPROTO_TCP))
		return conclude(ctx, answer_plain(ctx, frame, IPPROTO_TCP, number));
	if (ip->protocol == IPPROTO_UDP)
		return conclude(ctx, answer_plain(ctx, frame, IPPROTO_UDP, number));
	goto general;
not_ipv4:
	/* Read anew, or the compiler asks for IPv6 before IPv4. */
	if (*(volatile __u16 *)(frame + ETHERTYPE_OFFSET) == bpf_htons(ETH_P_IPV6))
		return balance_ipv6(ctx, frame);
general:
	return balance_any(ctx);
}
