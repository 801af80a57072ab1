/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Towards the pod: ends the tunnel, gives the packet the pod's address and
 * port, remembers the flow, and leaves the rest to the kernel.
 */
#pragma once

#include "node_congestion.h"
#include "node_icmp.h"
#include "node_tunnel.h"

static __noinline struct node_target *find_target(const struct packet *pkt,
						  const struct tunnel *tunnel, __u16 port,
						  __u8 protocol)
{
	struct node_target_key key = { .port = port, .protocol = protocol };

	if (!pkt || !tunnel)
		return NULL;
	key.family = pkt->family;
	key.outer_family = tunnel->outer_family;
	copy_address(key.vip, pkt->destination);
	copy_address(key.outer, tunnel->destination);
	return bpf_map_lookup_elem(&node_targets, &key);
}

/* What the pod knows a quoted answer's destination port as. */
VERIFIED_ONCE __u16 client_port_at_pod(const struct packet *pkt, const struct quote *quote,
				       const struct node_target *target)
{
	struct node_flow_key key = {};
	struct client_tuple tuple;

	if (!pkt || !quote || !target)
		return 0;
	tuple = (struct client_tuple){
		.client = quote->destination, .vip = quote->source,
		.client_port = quote->ports >> 16, .vip_port = quote->ports,
	};
	key.pod_port = target->port;
	key.protocol = quote->protocol;
	key.family = pkt->family;
	copy_address(key.pod, target->address);
	copy_address(key.client, quote->destination);
	for (__u32 choice = 0; choice < CLIENT_PORTS; choice++) {
		int is_taken;

		key.client_port = port_at_pod(&tuple, choice);
		if (place_of_tuple(&key, &tuple, &is_taken, pkt->now))
			return key.client_port;
	}
	return tuple.client_port;
}

/* An error about an answer of the pod's: the quote's source is the frontend. */
VERIFIED_ONCE int icmp_to_pod(hook_ctx *ctx, const struct packet *pkt,
			      const struct tunnel *tunnel)
{
	struct node_target *target;
	struct translation to = {};
	struct quote quote;
	int result;

	if (!pkt || !tunnel)
		return DROP(DROP_INTERNAL);
	result = read_quote(ctx, pkt, &quote);
	if (result)
		return result;
	if (!same_address(quote.source, pkt->destination))
		return DROP(DROP_ICMP_NO_FLOW);
	target = find_target(pkt, tunnel, quote.ports, quote.protocol);
	if (!target)
		return DROP(NODE_DROP_NO_TARGET);
	to.end = END_SOURCE;
	to.address = target->address;
	to.outer = target->address;
	to.port = target->port;
	to.client_port = client_port_at_pod(pkt, &quote, target);
	count_packet(&node_events, NODE_EVENT_ICMP_TO_POD, pkt->length);
	return translate_error(ctx, pkt, &quote, &to);
}

/* A later fragment has no ports, but nothing of it is behind a port either. */
static __always_inline int fragment_to_pod(hook_ctx *ctx, const struct packet *pkt,
					   const struct tunnel *tunnel)
{
	struct node_target *target = find_target(pkt, tunnel, 0, 0);

	if (!target)
		return DROP(NODE_DROP_NO_TARGET);
	count_packet(&node_events, NODE_EVENT_FRAGMENT_TO_POD, pkt->length);
	return rewrite_end(ctx, pkt, END_DESTINATION, target->address, 0);
}

static __always_inline int to_pod(hook_ctx *ctx, const struct packet *pkt,
				  const struct tunnel *tunnel)
{
	struct node_target *target;
	__be16 client_port;
	int result;

	if (unlikely(is_icmp(pkt)))
		return icmp_to_pod(ctx, pkt, tunnel);
	if (unlikely(pkt->fragment == FRAGMENT_LATER))
		return fragment_to_pod(ctx, pkt, tunnel);
	target = find_target(pkt, tunnel, destination_port(pkt), pkt->protocol);
	if (!target)
		return DROP(NODE_DROP_NO_TARGET);
	result = remember_flow(pkt, target, &client_port);
	if (result)
		return result;
	count_traffic_in(&node_traffic, &target->traffic, pkt->length);
	result = rewrite_end(ctx, pkt, END_DESTINATION, target->address, target->port);
	return result ? result : rewrite_port(ctx, pkt, END_SOURCE, client_port);
}

/* Ends the tunnel; from here on the frame is an ordinary one to the VIP. */
static __always_inline int end_tunnel(hook_ctx *ctx, const struct tunnel *tunnel,
				      struct packet *pkt)
{
	__u16 ethertype = pkt->family == FAMILY_V4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);

	if (!is_lb_node(tunnel->source, tunnel->outer_family))
		return DROP(NODE_DROP_SOURCE);
	if (tunnel->is_fragment)
		return DROP(NODE_DROP_FRAGMENT);
	if (strip_outer(ctx, pkt->l3_offset, tunnel->inner - pkt->l3_offset, ethertype))
		return DROP(DROP_INTERNAL);
	if (unlikely(tunnel->is_congested))
		return mark_congested(ctx, pkt->l3_offset, pkt->family);
	return GO_ON;
}

static __always_inline int deliver(hook_ctx *ctx)
{
	struct tunnel tunnel = {};
	struct packet pkt = {};
	int result;

	hook_make_readable(ctx, READABLE_MOST);
	if (!find_tunnel(ctx, &tunnel, &pkt))
		return HOOK_PASS;
	result = end_tunnel(ctx, &tunnel, &pkt);
	if (!result)
		result = read_packet(ctx, &pkt);
	if (!result) {
		pkt.now = clock_now();
		result = to_pod(ctx, &pkt, &tunnel);
	}
	if (likely(!result))
		return HOOK_PASS;
	count_packet(&node_drops, -result, pkt.length);
	return HOOK_DROP;
}
