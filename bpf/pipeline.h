/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet path as a list of steps, the same on every hook. docs/
 * packet-path.md says what each step does.
 */
#pragma once

#include "answer.h"
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
		struct packet copy = *pkt;

		result = reject(ctx, &copy, reason);
		if (result > GO_ON)
			return result - VERDICT_BASE;
		reason = -result;
	}
	count_drop(pkt, reason);
	return HOOK_DROP;
}

static __always_inline int handle(hook_ctx *ctx, struct packet *pkt, struct headers *at)
{
	int result = read_ipv4(pkt, at, hook_frame_length(ctx));

	if (!result)
		result = read_l4(pkt, at);
	if (result)
		return result;
	if (pkt->protocol == IPPROTO_ICMP)
		return answer_icmp(ctx, pkt, at);
	pkt->now = clock_now();
	return pkt->role == ROLE_ANSWER ? answer(ctx, pkt, at) : forward(ctx, pkt, at);
}

static __always_inline int balance(hook_ctx *ctx)
{
	struct packet pkt = {};
	struct headers at = {};
	int result;

	hook_make_readable(ctx, HEADERS_MOST);
	at.data = hook_data(ctx);
	at.end = hook_end(ctx);
	result = find_ipv4(&pkt, &at);
	if (!result)
		result = classify(&pkt, &at);
	if (likely(result > GO_ON)) /* not ours */
		return result - VERDICT_BASE;
	return finish(ctx, &pkt, handle(ctx, &pkt, &at));
}
