/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The places of remembered flows: who has one, for how long, and how a flow
 * that has none gets one.
 */
#pragma once

#include "life.h"
#include "next_state.h"
#include "node_config.h"
#include "node_maps.h"
#include "packet_counter.h"
#include "verified_once.h"

#define PLACE_TRIES 32		/* places looked at for one flow */

struct place_claim {
	__u32 now;
	__u32 index;
	__u16 generation;
	__u16 reserved;
};

static __always_inline __u64 *place_word(struct node_flow_place *place)
{
	return (__u64 *)&place->seen;
}

static __always_inline union life place_life(struct node_flow_place *place)
{
	return (union life){ .word = *(volatile __u64 *)place_word(place) };
}

static __always_inline int place_expired(union life life, __u32 now)
{
	return life_timed_out(life, now, node_config.timeout);
}

static __always_inline int same_flow_key(const struct node_flow_key *a,
					 const struct node_flow_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3] && x[4] == y[4];
}

/* The place of a flow, if it is still the flow's: an entry that another CPU
 * deletes meanwhile may be another flow's already. */
static __always_inline struct node_flow_place *place_of(const struct node_flow *flow,
							const struct node_flow_key *key)
{
	__u32 index = flow->place;
	struct node_flow_place *place = bpf_map_lookup_elem(&node_flow_places, &index);
	union life life;

	if (!place)
		return NULL;
	life = place_life(place);
	return life.generation == flow->generation && life.state > FLOW_CLAIMED &&
	       same_flow_key(&place->key, key) ? place : NULL;
}

/* Removes the flow that a place had in a former life, unless it has moved on. */
static __always_inline void forget_flow(const struct node_flow_key *key, __u32 index,
					__u16 generation)
{
	struct node_flow *flow = bpf_map_lookup_elem(&node_flows, key);

	if (flow && flow->place == index && flow->generation == generation)
		bpf_map_delete_elem(&node_flows, key);
}

/* Takes a place if its life is still `old`. */
static __always_inline int take_place(struct node_flow_place *place, __u32 index, union life old,
				      struct place_claim *claim)
{
	union life new = {
		.seen = claim->now, .generation = old.generation + 1, .state = FLOW_CLAIMED,
	};

	if (!life_change(place_word(place), old, new))
		return 0;
	if (old.state != FLOW_FREE)
		forget_flow(&place->key, index, old.generation);
	claim->index = index;
	claim->generation = new.generation;
	return 1;
}

/* A half-open flow's place: the pod has answered its SYN long ago, and the next
 * packet of a client that is there makes the memory anew. */
static __always_inline int evict_half_open(__u32 index, struct place_claim *claim)
{
	struct node_flow_place *place = bpf_map_lookup_elem(&node_flow_places, &index);
	union life life;

	if (!place)
		return 0;
	life = place_life(place);
	if (life.state != FLOW_SYN || !take_place(place, index, life, claim))
		return 0;
	count_packet(&node_events, NODE_EVENT_FLOW_EVICTED, 0);
	return 1;
}

/* The next place under the hand that is free or has expired; else of those seen
 * the one that is half-open the longest, a second at least. */
VERIFIED_ONCE int claim_place(struct place_claim *claim)
{
	__u32 zero = 0, oldest = 0, oldest_age = node_config.hz, found = 0;
	__u32 *hand = bpf_map_lookup_elem(&node_flow_hand, &zero);

	if (!hand || !claim)
		return 0;
	for (int i = 0; i < PLACE_TRIES; i++) {
		__u32 index = __sync_fetch_and_add(hand, 1) % node_config.places;
		struct node_flow_place *place = bpf_map_lookup_elem(&node_flow_places, &index);
		union life life;
		__u32 age;

		if (!place)
			return 0;
		life = place_life(place);
		age = claim->now - life.seen;
		if (life.state == FLOW_FREE || place_expired(life, claim->now)) {
			if (!take_place(place, index, life, claim))
				continue;
			if (life.state != FLOW_FREE)
				count_packet(&node_events, NODE_EVENT_FLOW_EXPIRED, 0);
			return 1;
		}
		if (life.state == FLOW_SYN && age >= oldest_age && age < -(__u32)LIFE_SKEW) {
			oldest_age = age;
			oldest = index;
			found = 1;
		}
	}
	return found && evict_half_open(oldest, claim);
}

static __always_inline __u8 first_state(const struct packet *pkt)
{
	if (pkt->protocol == IPPROTO_UDP)
		return FLOW_UDP;
	return is_syn(pkt) ? FLOW_SYN : next_state(FLOW_ESTABLISHED, pkt, 1);
}

static __always_inline void set_state(struct node_flow_place *place, __u32 now, __u16 generation,
				      __u8 state)
{
	union life life = { .seen = now, .generation = generation, .state = state };

	*(volatile __u64 *)place_word(place) = life.word;
}

/* After a packet that keeps the flow alive. Written once a second, or when the
 * state changes; a swap that is lost to another CPU's is as good as done. */
static __always_inline void touch_place(struct node_flow_place *place, const struct packet *pkt,
					int from_client)
{
	union life old = place_life(place), new = old;

	new.state = next_state(old.state, pkt, from_client);
	if (from_client && is_syn(pkt) && old.state >= FLOW_FIN_CLIENT && old.state <= FLOW_CLOSED)
		new.state = FLOW_SYN;
	if (new.state == old.state &&
	    (old.state == FLOW_CLOSED || pkt->now - old.seen < node_config.hz))
		return;
	new.seen = pkt->now;
	if (!life_change(place_word(place), old, new) && new.state != old.state) {
		/* Both directions at once: the other's state counts too. */
		old = place_life(place);
		new.generation = old.generation;
		new.state = next_state(old.state, pkt, from_client);
		life_change(place_word(place), old, new);
	}
}
