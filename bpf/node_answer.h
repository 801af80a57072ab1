/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Towards the client: an answer of a remembered flow leaves from VIP and port.
 * Everything else that leaves by the device is left as it is.
 */
#pragma once

#include "node_icmp.h"

#define PLAIN_HEADERS (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr))
#define PLAIN_HEADERS6 (ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))
#define FRAGMENT_SECONDS 60	/* no receiver waits longer (RFC 8200, 4.5) */
#define HEADERS_MOST 400	/* with extension headers, or an ICMP quote */

static __always_inline int read_leaving(hook_ctx *ctx, struct packet *pkt)
{
	__u32 found;
	void *ip;

	hook_make_readable(ctx, PLAIN_HEADERS);
	found = find_ip(ctx);
	pkt->family = found >> 16;
	pkt->l3_offset = found & 0xff;
	if (pkt->family == FAMILY_V6)
		hook_make_readable(ctx, PLAIN_HEADERS6);
	ip = hook_data(ctx) + pkt->l3_offset;
	if (pkt->family == FAMILY_V4) {
		if (ip + sizeof(struct iphdr) > hook_end(ctx))
			return -1;
		pkt->source[0] = ((struct iphdr *)ip)->saddr;
		pkt->destination[0] = ((struct iphdr *)ip)->daddr;
	} else {
		if (!found || ip + sizeof(struct ipv6hdr) > hook_end(ctx))
			return -1;
		copy_address(pkt->source, ((struct ipv6hdr *)ip)->saddr.in6_u.u6_addr32);
		copy_address(pkt->destination, ((struct ipv6hdr *)ip)->daddr.in6_u.u6_addr32);
	}
	if (read_packet(ctx, pkt) == GO_ON && !is_icmp(pkt))
		return 0;
	hook_make_readable(ctx, HEADERS_MOST);
	return read_packet(ctx, pkt);
}

/* Whose flow an answer of this pod to this client is. */
static __noinline struct node_flow *find_flow(const struct packet *pkt, const __u32 *pod,
					      __u32 ports, __u8 protocol)
{
	struct node_flow_key key = {
		.pod_port = ports, .client_port = ports >> 16, .protocol = protocol,
	};
	struct node_flow_place *place;
	struct node_flow *flow;

	if (!pkt || !pod)
		return NULL;
	key.family = pkt->family;
	copy_address(key.pod, pod);
	copy_address(key.client, pkt->destination);
	flow = bpf_map_lookup_elem(&node_flows, &key);
	if (!flow)
		return NULL;
	place = place_of(flow, &key);
	if (!place)
		return NULL;
	if (!is_icmp(pkt) && pkt->fragment != FRAGMENT_LATER)
		touch_place(place, pkt, 0);
	return flow;
}

static __always_inline void fragment_key_of(const struct packet *pkt, struct fragment_key *key)
{
	copy_address(key->source, pkt->source);
	copy_address(key->destination, pkt->destination);
	key->id = pkt->fragment_id;
	key->protocol = pkt->protocol;
	key->family = pkt->family;
}

/* The first fragment of an answer teaches its ports; a later one learns them. */
static __noinline int teach_fragments(const struct packet *pkt)
{
	struct fragment_key key = {};
	struct fragment_ports ports = {};

	if (!pkt)
		return 0;
	fragment_key_of(pkt, &key);
	ports.ports = pkt->ports;
	ports.seen = pkt->now;
	bpf_map_update_elem(&node_fragments, &key, &ports, BPF_ANY);
	return 0;
}

/* The id has come round: the rest of this packet is no answer. */
static __noinline int forget_fragments(const struct packet *pkt)
{
	struct fragment_key key = {};

	if (!pkt)
		return 0;
	fragment_key_of(pkt, &key);
	bpf_map_delete_elem(&node_fragments, &key);
	return 0;
}

static __noinline int learn_ports(struct packet *pkt)
{
	struct fragment_key key = {};
	struct fragment_ports *ports;
	__u32 age;

	if (!pkt)
		return -1;
	fragment_key_of(pkt, &key);
	ports = bpf_map_lookup_elem(&node_fragments, &key);
	if (!ports)
		return -1;
	age = pkt->now - ports->seen;
	if (age > FRAGMENT_SECONDS * node_config.hz && age < -(__u32)LIFE_SKEW)
		return -1;
	pkt->ports = ports->ports;
	return 0;
}

/* An error about a request: of the pod, or of this node or a router behind it,
 * which keep their own address. */
static __noinline int icmp_to_client(hook_ctx *ctx, const struct packet *pkt)
{
	struct translation to = {};
	struct node_flow *flow;
	struct quote quote;
	__u32 ports;

	if (!pkt || read_quote(ctx, pkt, &quote) ||
	    !same_address(quote.source, pkt->destination))
		return HOOK_PASS;
	ports = quote.ports >> 16 | quote.ports << 16;
	flow = find_flow(pkt, quote.destination, ports, quote.protocol);
	if (!flow)
		return HOOK_PASS;
	to.end = END_DESTINATION;
	to.address = flow->vip;
	to.outer = same_address(pkt->source, quote.destination) ? flow->vip : pkt->source;
	to.port = flow->vip_port;
	to.client_port = flow->client_port;
	if (translate_error(ctx, pkt, &quote, &to)) {
		count_packet(&node_drops, DROP_INTERNAL, pkt->length);
		return HOOK_DROP;
	}
	count_packet(&node_events, NODE_EVENT_ICMP_TO_CLIENT, pkt->length);
	return HOOK_PASS;
}

static __always_inline int to_client(hook_ctx *ctx, struct packet *pkt)
{
	struct node_flow *flow;

	if (unlikely(pkt->fragment == FRAGMENT_LATER) && learn_ports(pkt))
		return HOOK_PASS;
	flow = find_flow(pkt, pkt->source, pkt->ports, pkt->protocol);
	if (!flow) {
		if (unlikely(pkt->fragment == FRAGMENT_FIRST))
			forget_fragments(pkt);
		return HOOK_PASS;
	}
	if (unlikely(pkt->fragment == FRAGMENT_FIRST))
		teach_fragments(pkt);
	if (unlikely(pkt->fragment == FRAGMENT_LATER))
		count_packet(&node_events, NODE_EVENT_FRAGMENT_TO_CLIENT, pkt->length);
	count_traffic_out(&node_traffic, &flow->traffic, pkt->length);
	if (rewrite_end(ctx, pkt, END_SOURCE, flow->vip, flow->vip_port) ||
	    rewrite_port(ctx, pkt, END_DESTINATION, flow->client_port)) {
		count_packet(&node_drops, DROP_INTERNAL, pkt->length);
		return HOOK_DROP;
	}
	return HOOK_PASS;
}

static __always_inline int answer_client(hook_ctx *ctx)
{
	struct packet pkt = {};

	if (read_leaving(ctx, &pkt))
		return HOOK_PASS;
	pkt.now = clock_now();
	if (unlikely(is_icmp(&pkt)))
		return icmp_to_client(ctx, &pkt);
	return to_client(ctx, &pkt);
}
