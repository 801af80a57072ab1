/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the node program remembers: for an answer's tuple, the VIP and port it
 * leaves from. Any packet from a client makes or refreshes the memory, so that
 * a flow that comes by another LB node, or in its middle, has it.
 *
 * A client may use one port for two VIPs that lead to one port of a pod. For
 * the pod both would be one connection, so the later one gets another client
 * port there. Which one follows from the tuple: nothing else has to be
 * remembered to find it again.
 */
#pragma once

#include "node_place.h"

#define CLIENT_PORTS 4		/* ports that a flow may have at its pod: the client's, and others */
#define CHANGED_PORTS 0x8000	/* the first of those others */

/* A client's packet to a frontend: one flow. */
struct client_tuple {
	const __u32 *client;
	const __u32 *vip;
	__be16 client_port;
	__be16 vip_port;
};

static __always_inline __be16 port_at_pod(const struct client_tuple *tuple, __u32 choice)
{
	__u32 mix = tuple->client[0] ^ tuple->client[3] ^ tuple->vip[0] ^ tuple->vip[3];

	if (!choice)
		return tuple->client_port;
	mix += tuple->client_port << 16 | tuple->vip_port;
	mix = (mix + choice) * 0x9e3779b1;
	return bpf_htons(CHANGED_PORTS | mix >> 17);
}

static __always_inline struct client_tuple client_tuple_of(const struct packet *pkt)
{
	return (struct client_tuple){
		.client = pkt->source, .vip = pkt->destination,
		.client_port = source_port(pkt), .vip_port = destination_port(pkt),
	};
}

/* Is it the memory of this flow, and not of another one of the same ports? */
static __always_inline int is_same_flow(const struct node_flow *flow,
					const struct client_tuple *tuple)
{
	return same_address(flow->vip, tuple->vip) && flow->vip_port == tuple->vip_port &&
	       flow->client_port == tuple->client_port;
}

/* The place of a flow that is remembered by this key, if it is the tuple's. */
static __always_inline struct node_flow_place *place_of_tuple(const struct node_flow_key *key,
							      const struct client_tuple *tuple,
							      int *is_taken, __u32 now)
{
	struct node_flow *flow = bpf_map_lookup_elem(&node_flows, key);
	struct node_flow_place *place = flow ? place_of(flow, key) : NULL;
	union life life;

	*is_taken = 0;
	if (!place)
		return NULL;
	if (likely(is_same_flow(flow, tuple)))
		return place;
	life = place_life(place);
	*is_taken = life.state != FLOW_CLOSED && !place_expired(life, now);
	return NULL;
}

/* A place and an entry for a flow that has none. */
static __noinline int add_flow(const struct packet *pkt, const struct node_target *target,
			       const struct node_flow_key *key)
{
	struct place_claim claim = {};
	struct node_flow_place *place;
	struct node_flow flow = {};
	__u32 index;

	if (!pkt || !target || !key)
		return DROP(DROP_INTERNAL);
	claim.now = pkt->now;
	if (!claim_place(&claim))
		return DROP(NODE_DROP_FLOWS_FULL);
	index = claim.index;
	place = bpf_map_lookup_elem(&node_flow_places, &index);
	if (!place)
		return DROP(DROP_INTERNAL);
	place->key = *key;
	copy_address(flow.vip, pkt->destination);
	flow.vip_port = destination_port(pkt);
	flow.client_port = source_port(pkt);
	flow.generation = claim.generation;
	flow.place = index;
	flow.traffic = target->traffic;
	set_state(place, pkt->now, claim.generation, first_state(pkt));
	if (bpf_map_update_elem(&node_flows, key, &flow, BPF_NOEXIST)) {
		set_state(place, pkt->now, claim.generation, FLOW_FREE);
		/* Another CPU may have added it meanwhile: then that is the flow. */
		return bpf_map_lookup_elem(&node_flows, key) ? GO_ON : DROP(NODE_DROP_FLOWS_FULL);
	}
	count_new_flow(&node_traffic, target->traffic);
	if (unlikely(key->client_port != source_port(pkt)))
		count_packet(&node_events, NODE_EVENT_PORT_CHANGED, pkt->length);
	return GO_ON;
}

/* What had the key is over, or half gone: its place is free again. */
static __always_inline void clear_key(const struct node_flow_key *key)
{
	struct node_flow *flow = bpf_map_lookup_elem(&node_flows, key);
	struct node_flow_place *place = flow ? place_of(flow, key) : NULL;

	if (!flow)
		return;
	if (place)
		set_state(place, place_life(place).seen, flow->generation, FLOW_FREE);
	bpf_map_delete_elem(&node_flows, key);
}

/* A flow that is not known by the client's own port: perhaps it is by another
 * one, whatever has become of the flow that stood in its way; else it is new. */
static __noinline int find_or_add_flow(const struct packet *pkt, const struct node_target *target,
				       struct node_flow_key *key)
{
	__u32 free = CLIENT_PORTS;
	struct client_tuple tuple;

	if (!pkt || !target || !key)
		return DROP(DROP_INTERNAL);
	tuple = client_tuple_of(pkt);
	for (__u32 choice = 0; choice < CLIENT_PORTS; choice++) {
		struct node_flow_place *place;
		int is_taken;

		key->client_port = port_at_pod(&tuple, choice);
		place = place_of_tuple(key, &tuple, &is_taken, pkt->now);
		if (place) {
			touch_place(place, pkt, 1);
			return GO_ON;
		}
		if (!is_taken && free == CLIENT_PORTS)
			free = choice;
	}
	if (free == CLIENT_PORTS)
		return DROP(NODE_DROP_FLOW_TAKEN);
	key->client_port = port_at_pod(&tuple, free);
	clear_key(key);
	return add_flow(pkt, target, key);
}

/* On return *client_port is what the pod knows the client's port as. */
static __always_inline int remember_flow(const struct packet *pkt,
					 const struct node_target *target, __be16 *client_port)
{
	struct node_flow_key key = {
		.pod_port = target->port, .client_port = source_port(pkt),
		.protocol = pkt->protocol, .family = pkt->family,
	};
	struct client_tuple tuple = client_tuple_of(pkt);
	struct node_flow_place *place;
	int is_taken, result = GO_ON;

	copy_address(key.pod, target->address);
	copy_address(key.client, pkt->source);
	place = place_of_tuple(&key, &tuple, &is_taken, pkt->now);
	if (likely(place))
		touch_place(place, pkt, 1);
	else
		result = find_or_add_flow(pkt, target, &key);
	*client_port = key.client_port;
	return result;
}
