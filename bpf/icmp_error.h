/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ICMP errors about SNAT flows, translated in both directions: the outer
 * header, the quoted one, its ports, and every checksum that is whole.
 */
#pragma once

#include "answer.h"
#include "icmp_dsr.h"
#include "quote.h"

/* What the error shall say. */
struct error_view {
	const __u32 *from;	/* of the outer header */
	const __u32 *to;
	const __u32 *source;	/* of the quoted one */
	const __u32 *destination;
	__u32 ports;
};

/* The quoted header; its addresses' difference stays for the caller to sum, as
 * IPv4's own checksum takes it up. */
static __always_inline int rewrite_quote(void *inner, const void *end, const struct packet *pkt,
					 const struct quote *quote, const struct error_view *view)
{
	struct ipv6hdr *ip6 = inner;
	struct iphdr *ip = inner;

	if (pkt->family == FAMILY_V6) {
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

static __always_inline __u32 outer_diff(const struct packet *pkt, const struct error_view *view)
{
	return checksum_fold(address_diff(pkt->source, view->from) +
			     address_diff(pkt->destination, view->to));
}

/* IPv6's ICMP checksum covers all addresses, IPv4's none that matters. */
static __always_inline __u32 error_diff(const struct packet *pkt, const struct quote *quote,
					const struct error_view *view)
{
	__u32 diff = checksum_diff(quote->ports, view->ports);

	if (pkt->family == FAMILY_V6)
		diff += outer_diff(pkt, view) +
			checksum_fold(address_diff(quote->source, view->source) +
				      address_diff(quote->destination, view->destination));
	return diff;
}

static __noinline int rewrite_error(hook_ctx *ctx, const struct packet *pkt,
				    const struct quote *quote, const struct error_view *view)
{
	struct rewrite outer = {};
	struct icmp_header *icmp;
	struct headers at;
	void *inner, *l4;

	if (!pkt || !quote || !view)
		return DROP(DROP_INTERNAL);
	find_headers(ctx, pkt, &at);
	icmp = at.l4;
	inner = icmp + 1;
	l4 = inner + (quote->l3_size & 0x3f);
	if (inner > at.end || l4 + 8 > at.end || rewrite_quote(inner, at.end, pkt, quote, view))
		return DROP(DROP_TRUNCATED);
	icmp->checksum = checksum_apply(icmp->checksum, error_diff(pkt, quote, view));
	*(__u32 *)l4 = view->ports;
	outer.source = view->from;
	outer.destination = view->to;
	outer.l3_delta = checksum_fold(outer_diff(pkt, view) + TTL_LESS_ONE_DELTA);
	if (pkt->family == FAMILY_V6 && at.ip + sizeof(struct ipv6hdr) <= at.end)
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
	struct error_view view;
	struct backend *backend;
	__u32 hop;
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
	view.from = pkt->source;
	view.to = backend->addr;
	view.source = backend->addr;
	view.destination = flow->snat_addr;
	view.ports = backend->port | (__u32)flow->snat_port << 16;
	hop = backend->next_hop;
	result = rewrite_error(ctx, pkt, quote, &view);
	if (result)
		return result;
	return send_to(ctx, pkt, hop ? bpf_map_lookup_elem(&next_hops, &hop) : NULL);
}

/* An error about a packet that was sent on to a backend: to the client. What
 * the backend itself says comes from the VIP. */
static __noinline int error_to_client(hook_ctx *ctx, struct scratch *scratch)
{
	struct quote *quote = &scratch->quote;
	struct packet *pkt = &scratch->pkt;
	struct flow_record *record;
	struct error_view view;
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
	view.from = same_address(pkt->source, quote->destination) ? record->vip : pkt->source;
	view.to = record->client;
	view.source = record->client;
	view.destination = record->vip;
	view.ports = record->client_port | (__u32)record->vip_port << 16;
	result = rewrite_error(ctx, pkt, quote, &view);
	if (result)
		return result;
	return send_to(ctx, pkt, client_next_hop(ctx, pkt, record));
}
