/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Claiming and releasing flow records, and removing what a former flow left.
 * A record is claimed by compare-and-swap of its life, so whoever wins owns
 * it; the halves that point to it are removed before it serves anew.
 */
#pragma once

#include "flow_state.h"
#include "flow_table.h"
#include "scratch.h"
#include "counters.h"

/* A new flow that looks for a SNAT port towards its backend. */
struct claim {
	struct shared_key tuple;	/* port and SNAT address: of the record looked at */
	__u32 now;
	__u32 position;			/* record looked at next */
	__u32 found;			/* record that was claimed, + 1 */
	__u32 share;			/* record whose port can be shared, + 1 */
	__u32 oldest;			/* record that is closed the longest, + 1 */
	__u32 oldest_age;
	__u16 generation;		/* of the claimed life */
	__u16 share_generation;
	__u32 extra;			/* 1: walking the extra region */
};

static __always_inline __u32 direct_records(void)
{
	return config.snat_addresses << 16;
}

static __always_inline void aim_at(struct claim *claim, __u32 index)
{
	claim->tuple.snat_index = index >> 16;
	claim->tuple.snat_port = bpf_htons((__u16)index);
}

/* Is there a shared flow of this very tuple? */
static __always_inline int tuple_is_shared(struct claim *claim)
{
	return bpf_map_lookup_elem(&snat_shared, &claim->tuple) != NULL;
}

/* A former flow's entry in the flow table, if it still names this life. */
static __always_inline void remove_forward(const struct flow_record *record, __u32 index,
					   __u32 generation, __u32 family)
{
	struct scratch *scratch = get_scratch();
	struct flow_forward *forward;
	struct flow_key6 *key;

	if (!scratch)
		return;
	key = &scratch->former;
	copy_address(key->client, record->client);
	copy_address(key->vip, record->vip);
	key->client_port = record->client_port;
	key->vip_port = record->vip_port;
	key->protocol = record->protocol;
	forward = find_flow(key, family);
	if (forward && forward->record == index &&
	    forward->record_generation == (__u16)generation)
		delete_flow(key, family);
}

static __noinline int remove_halves(struct flow_record *record, __u32 index, __u32 generation,
				    __u32 flags)
{
	struct shared_key *shared;
	__u32 extra = index - direct_records();

	if (!record)
		return 0;
	if (!(flags & FLOW_F_DETACHED))
		remove_forward(record, index, generation,
			       flags & FLOW_F_V6 ? FAMILY_V6 : FAMILY_V4);
	if (!(flags & FLOW_F_EXTRA))
		return 0;
	shared = bpf_map_lookup_elem(&snat_extra_keys, &extra);
	if (shared)
		bpf_map_delete_elem(&snat_shared, shared);
	return 0;
}

static __always_inline void release_record(struct flow_record *record, __u16 generation)
{
	union life old = life_read(record), new = old;

	if (old.generation != generation)
		return;
	new.state = FLOW_FREE;
	new.flags &= FLOW_F_SHARED;
	life_swap(record, old, new);
}

/* Claims the record if its life is still `old`. */
static __always_inline int take_record(struct flow_record *record, __u32 index, union life old,
				       struct claim *claim)
{
	union life new = {
		.seen = claim->now, .generation = old.generation + 1, .state = FLOW_CLAIMED,
		.flags = claim->extra ? FLOW_F_EXTRA : old.flags & FLOW_F_SHARED,
	};

	if (claim->tuple.family == FAMILY_V6)
		new.flags |= FLOW_F_V6;
	if (!life_swap(record, old, new))
		return 0;
	if (old.state != FLOW_FREE)
		remove_halves(record, index, old.generation, old.flags);
	if ((old.flags & FLOW_F_SHARED) && tuple_is_shared(claim)) {
		release_record(record, new.generation);
		return 0;
	}
	claim->found = index + 1;
	claim->generation = new.generation;
	return 1;
}

/* Would a flow to the claim's backend be told apart from this record's? */
static __always_inline int is_other_tuple(const struct flow_record *record,
					  const struct claim *claim)
{
	struct backend *backend;

	if (record->protocol != claim->tuple.protocol)
		return 1;
	backend = bpf_map_lookup_elem(&backends, &record->backend);
	if (!backend || backend->state == BACKEND_FREE ||
	    backend->generation != record->backend_generation)
		return 0;
	return !same_address(backend->addr, claim->tuple.backend) ||
	       backend->port != claim->tuple.backend_port;
}
