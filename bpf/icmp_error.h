/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ICMP errors about SNAT flows, translated in both directions: the outer
 * header, the quoted one, its ports, and every checksum that is whole.
 */
#pragma once

#include "answer.h"
#include "icmp_dsr.h"
#include "quote.h"

/* The quoted header. Its own checksum, which IPv4 has, takes up the difference
 * of the addresses; IPv6's is left for the ICMP checksum. */
static __always_inline int rewrite_quoted_ip(void *inner, const void *end,
					     const struct scratch *scratch)
{
	const struct error_view *view = &scratch->view;
	const struct quote *quote = &scratch->quote;
	struct ipv6hdr *ip6 = inner;
	struct iphdr *ip = inner;

	if (scratch->pkt.family == FAMILY_V6) {
		if ((void *)(ip6 + 1) > end)
			return -1;
		copy_address(ip6->saddr.in6_u.u6_addr32, view->source);
		copy_address(ip6->daddr.in6_u.u6_addr32, view->destination);
		return 0;
	}
	if ((void *)(ip + 1) > end)
		return -1;
	ip->check = checksum_apply(ip->check,
				   checksum_diff(quote->source[0], view->source[0]) +
				   checksum_diff(quote->destination[0], view->destination[0]));
	ip->saddr = view->source[0];
	ip->daddr = view->destination[0];
	return 0;
}

/* Differences of two pairs of addresses, folded. */
static __noinline __u32 pair_diff(const __u32 *a, const __u32 *to_a, const __u32 *b,
				  const __u32 *to_b)
{
	if (!a || !to_a || !b || !to_b)
		return 0;
	return checksum_fold(address_diff(a, to_a) + address_diff(b, to_b));
}

/* The ICMP header and the quote; outer: the difference of the outer addresses,
 * which IPv6's ICMP checksum covers, as it does the quoted ones. */
static __noinline int rewrite_quote(hook_ctx *ctx, struct scratch *scratch, __u32 outer)
{
	struct error_view *view = &scratch->view;
	struct quote *quote = &scratch->quote;
	__u32 diff = checksum_diff(quote->ports, view->ports);
	struct icmp_header *icmp;
	struct headers at;
	void *l4;

	if (scratch->pkt.family == FAMILY_V6)
		diff += outer + pair_diff(quote->source, view->source, quote->destination,
					  view->destination);
	find_headers(ctx, &scratch->pkt, &at);
	icmp = at.l4;
	l4 = (void *)(icmp + 1) + (quote->l3_size & 0x3f);
	if ((void *)(icmp + 1) > at.end || l4 + 8 > at.end)
		return -1;
	icmp->checksum = checksum_apply(icmp->checksum, diff);
	*(__u32 *)l4 = view->ports;
	return rewrite_quoted_ip(icmp + 1, at.end, scratch);
}

/* From what was quoted to scratch->view. */
static __noinline int rewrite_error(hook_ctx *ctx, struct scratch *scratch)
{
	struct packet *pkt = &scratch->pkt;
	struct rewrite outer = {
		.source = scratch->view.from, .destination = scratch->view.to,
	};
	__u32 diff = pair_diff(pkt->source, outer.source, pkt->destination, outer.destination);
	struct headers at;

	if (rewrite_quote(ctx, scratch, diff))
		return DROP(DROP_TRUNCATED);
	outer.l3_delta = checksum_fold(diff + TTL_LESS_ONE_DELTA);
	if (pkt->family == FAMILY_V6)
		hook_add_to_sum(ctx, HOP_LIMIT_LESS_ONE_DELTA);
	find_headers(ctx, pkt, &at);
	if (at.ip + sizeof(struct ipv6hdr) <= at.end && pkt->family == FAMILY_V6)
		rewrite_ipv6(at.ip, pkt, &outer);
	else if (at.ip + sizeof(struct iphdr) <= at.end)
		rewrite_ipv4(at.ip, pkt, &outer);
	count_event(EVENT_ICMP_FORWARDED, pkt->length);
	return GO_ON;
}

/* An error about an answer of a flow, on its way to the VIP: to the backend. */
static __noinline int error_to_backend(hook_ctx *ctx, struct scratch *scratch)
{
	struct quote *quote = &scratch->quote;
	struct packet *pkt = &scratch->pkt;
	struct flow_forward *flow;
	struct backend *backend;
	int result;

	quoted_tuple(quote, &scratch->tuple);
	flow = find_flow(&scratch->tuple, pkt->family);
	if (!same_address(quote->source, pkt->destination))
		return DROP(DROP_ICMP_NO_FLOW);
	if (!flow)
		return error_to_dsr(ctx, scratch);
	backend = bpf_map_lookup_elem(&backends, &flow->backend);
	if (!backend || backend_gone(backend, flow->backend_generation))
		return DROP(DROP_ICMP_NO_FLOW);
	pkt->service = flow->service;
	if (pkt->ttl <= 1)
		return DROP(DROP_TTL);
	copy_address(scratch->view.from, pkt->source);
	copy_address(scratch->view.to, backend->addr);
	copy_address(scratch->view.source, backend->addr);
	copy_address(scratch->view.destination, flow->snat_addr);
	scratch->view.ports = backend->port | (__u32)flow->snat_port << 16;
	result = rewrite_error(ctx, scratch);
	if (result)
		return result;
	return send_to(ctx, pkt, next_hop_at(ctx, pkt, backend->next_hop));
}

/* An error about a packet that was sent on to a backend: to the client. What
 * the backend itself says comes from the VIP. */
static __noinline int error_to_client(hook_ctx *ctx, struct scratch *scratch)
{
	struct quote *quote = &scratch->quote;
	struct packet *pkt = &scratch->pkt;
	struct flow_record *record;
	int result;

	/* As the answer that the quoted packet would have had. */
	copy_address(scratch->quoted.source, quote->destination);
	scratch->quoted.ports = quote->ports >> 16 | quote->ports << 16;
	scratch->quoted.protocol = quote->protocol;
	scratch->quoted.family = pkt->family;
	scratch->quoted.snat_number = pkt->snat_number;
	if (!same_address(quote->source, pkt->destination))
		return DROP(DROP_ICMP_NO_FLOW);
	record = find_record(&scratch->quoted);
	if (!record)
		return DROP(DROP_ICMP_NO_FLOW);
	pkt->service = record->service;
	if (pkt->ttl <= 1)
		return DROP(DROP_TTL);
	copy_address(scratch->view.from, same_address(pkt->source, quote->destination) ?
						 record->vip : pkt->source);
	copy_address(scratch->view.to, record->client);
	copy_address(scratch->view.source, record->client);
	copy_address(scratch->view.destination, record->vip);
	scratch->view.ports = record->client_port | (__u32)record->vip_port << 16;
	result = rewrite_error(ctx, scratch);
	if (result)
		return result;
	return send_to(ctx, pkt, client_next_hop(ctx, pkt, record));
}
