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
#include "verified_once.h"

#define CLIENT_PORTS 4		/* ports that a flow may have at its pod: the client's, and others */
#define CHANGED_PORTS 0x8000	/* the first of those others */
#define PORT_KNOWN 0x10000	/* beside a port: the flow is remembered by it */

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

/* What its answers are found by, with the client's own port. */
static __always_inline void node_flow_key_of(const struct packet *pkt,
					     const struct node_target *target,
					     struct node_flow_key *key)
{
	key->pod_port = target->port;
	key->client_port = source_port(pkt);
	key->protocol = pkt->protocol;
	key->family = pkt->family;
	copy_address(key->pod, target->address);
	copy_address(key->client, pkt->source);
}

/* An entry for a flow that has none, in the place that it has claimed.
 * client_port: as the pod knows it. */
VERIFIED_ONCE int add_flow(const struct packet *pkt, const struct node_target *target,
			   const struct place_claim *claim, __be16 client_port)
{
	struct node_flow_place *place;
	struct node_flow_key key = {};
	struct node_flow flow = {};
	__u32 index;

	if (!pkt || !target || !claim)
		return DROP(DROP_INTERNAL);
	index = claim->index;
	place = bpf_map_lookup_elem(&node_flow_places, &index);
	if (!place)
		return DROP(DROP_INTERNAL);
	node_flow_key_of(pkt, target, &key);
	key.client_port = client_port;
	place->key = key;
	copy_address(flow.vip, pkt->destination);
	flow.vip_port = destination_port(pkt);
	flow.client_port = source_port(pkt);
	flow.generation = claim->generation;
	flow.place = index;
	flow.traffic = target->traffic;
	set_state(place, pkt->now, claim->generation, first_state(pkt));
	if (bpf_map_update_elem(&node_flows, &key, &flow, BPF_NOEXIST)) {
		set_state(place, pkt->now, claim->generation, FLOW_FREE);
		/* Another CPU may have added it meanwhile: then that is the flow. */
		return bpf_map_lookup_elem(&node_flows, &key) ? GO_ON : DROP(NODE_DROP_FLOWS_FULL);
	}
	count_new_flow(&node_traffic, target->traffic);
	if (unlikely(client_port != source_port(pkt)))
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

/* The port, as on the wire, that a flow has at its pod: with PORT_KNOWN if the
 * flow is remembered by it, whatever has become of the flow that stood in its
 * way; else the flow is new and the port free. A drop reason if none is. */
VERIFIED_ONCE int find_client_port(const struct packet *pkt, const struct node_target *target)
{
	struct node_flow_key key = {};
	__u32 free = CLIENT_PORTS;
	struct client_tuple tuple;

	if (!pkt || !target)
		return DROP(DROP_INTERNAL);
	tuple = client_tuple_of(pkt);
	node_flow_key_of(pkt, target, &key);
	for (__u32 choice = 0; choice < CLIENT_PORTS; choice++) {
		struct node_flow_place *place;
		int is_taken;

		key.client_port = port_at_pod(&tuple, choice);
		place = place_of_tuple(&key, &tuple, &is_taken, pkt->now);
		if (place) {
			touch_place(place, pkt, 1);
			return key.client_port | PORT_KNOWN;
		}
		if (!is_taken && free == CLIENT_PORTS)
			free = choice;
	}
	if (free == CLIENT_PORTS)
		return DROP(NODE_DROP_FLOW_TAKEN);
	key.client_port = port_at_pod(&tuple, free);
	clear_key(&key);
	return key.client_port;
}

/* A flow that is not known by the client's own port: perhaps it is by another
 * one, else it is new. */
static __noinline int find_or_add_flow(const struct packet *pkt, const struct node_target *target,
				       __be16 *client_port)
{
	struct place_claim claim = {};
	int port;

	if (!pkt || !target || !client_port)
		return DROP(DROP_INTERNAL);
	port = find_client_port(pkt, target);
	if (port < 0)
		return port;
	*client_port = port;
	if (port & PORT_KNOWN)
		return GO_ON;
	claim.now = pkt->now;
	if (!claim_place(&claim))
		return DROP(NODE_DROP_FLOWS_FULL);
	return add_flow(pkt, target, &claim, port);
}

/* On return *client_port is what the pod knows the client's port as. */
static __always_inline int remember_flow(const struct packet *pkt,
					 const struct node_target *target, __be16 *client_port)
{
	struct client_tuple tuple = client_tuple_of(pkt);
	struct node_flow_place *place;
	struct node_flow_key key = {};
	int is_taken;

	node_flow_key_of(pkt, target, &key);
	place = place_of_tuple(&key, &tuple, &is_taken, pkt->now);
	if (unlikely(!place))
		return find_or_add_flow(pkt, target, client_port);
	touch_place(place, pkt, 1);
	*client_port = key.client_port;
	return GO_ON;
}
