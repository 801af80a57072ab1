/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SNAT ports. Each CPU walks the records from where it stopped last, round
 * and round: a free one is nearly always the first it looks at, the port that
 * rested longest comes first, and expired flows are reclaimed on the way with
 * no one else's help. When every port is in use, one is shared with a flow to
 * another backend: the answers' source tells them apart.
 */
#pragma once

#include "snat_record.h"

#define WALK_MOST 512
#define WALK_THEN_SHARE 32
#define CURSORS_V6 512	/* IPv6's cursors begin here */

static __always_inline __u32 port_count(void)
{
	return config.snat_port_max - config.snat_port_min + 1;
}

/* The SNAT addresses of a family: IPv4's come first. */
static __always_inline __u32 pool_first(__u32 family)
{
	return family == FAMILY_V6 ? config.snat4_addresses : 0;
}

static __always_inline __u32 pool_addresses(__u32 family)
{
	return family == FAMILY_V6 ? config.snat_addresses - config.snat4_addresses :
				     config.snat4_addresses;
}

static __always_inline __u32 first_direct(__u32 cpu, __u32 family)
{
	__u32 ordinal = (__u64)cpu * pool_addresses(family) * port_count() / config.cpus;

	return (pool_first(family) + ordinal / port_count()) << 16 |
	       (config.snat_port_min + ordinal % port_count());
}

static __always_inline __u32 after_direct(__u32 index, __u32 family)
{
	__u32 number = index >> 16;

	if ((index & 0xffff) < config.snat_port_max)
		return index + 1;
	number++;
	if (number >= pool_first(family) + pool_addresses(family))
		number = pool_first(family);
	return number << 16 | config.snat_port_min;
}

static long walk_direct(__u32 step, struct claim *claim)
{
	__u32 index = claim->position;
	struct flow_record *record = bpf_map_lookup_elem(&flow_records, &index);
	union life life;

	if (!record)
		return 1;
	claim->position = after_direct(index, claim->tuple.family);
	aim_at(claim, index);
	life = life_read(record);
	if (life_available(life, claim->now)) {
		if (take_record(record, index, life, claim))
			return 1;
	} else if (life.state > FLOW_CLAIMED && is_other_tuple(record, claim)) {
		if (!claim->share && !((life.flags & FLOW_F_SHARED) && tuple_is_shared(claim))) {
			claim->share = index + 1;
			claim->share_generation = life.generation;
		}
	} else if (life.state == FLOW_CLOSED) {
		__u32 age = claim->now - life.seen;

		if (!claim->oldest || age > claim->oldest_age) {
			claim->oldest = index + 1;
			claim->oldest_age = age;
		}
	}
	return claim->share && step + 1 >= WALK_THEN_SHARE;
}

static long walk_extra(__u32 step, struct claim *claim)
{
	__u32 index = claim->position;
	struct flow_record *record = bpf_map_lookup_elem(&flow_records, &index);
	union life life;

	if (!record)
		return 1;
	claim->position = index + 1 < direct_records() + config.extra_records ?
				  index + 1 : direct_records();
	life = life_read(record);
	return life_available(life, claim->now) && take_record(record, index, life, claim);
}

/* Sets FLOW_F_SHARED on the life that was seen; 0 if that life is over. */
static __always_inline int mark_shared(struct flow_record *record, __u16 generation)
{
	for (int i = 0; i < LIFE_TRIES; i++) {
		union life old = life_read(record), new = old;

		if (old.generation != generation || old.state <= FLOW_CLAIMED)
			return 0;
		new.flags |= FLOW_F_SHARED;
		if (life_swap(record, old, new))
			return 1;
	}
	return 0;
}

/* Puts the claimed extra record under the tuple. The direct record is looked
 * at again afterwards: whoever claims it looks for shared tuples afterwards
 * too, so one of the two sees the other. */
static __always_inline int publish_shared(struct claim *claim, struct flow_record *direct)
{
	__u32 index = claim->found - 1, extra = index - direct_records();
	struct shared_key *key = bpf_map_lookup_elem(&snat_extra_keys, &extra);
	union life life;

	if (!key || !mark_shared(direct, claim->share_generation))
		return 0;
	*key = claim->tuple;
	if (bpf_map_update_elem(&snat_shared, key, &index, BPF_NOEXIST))
		return 0;
	life = life_read(direct);
	if (life.generation == claim->share_generation && life.state > FLOW_CLAIMED)
		return 1;
	bpf_map_delete_elem(&snat_shared, key);
	return 0;
}

static __noinline int share_port(struct claim *claim, struct snat_cursor *cursor, __u32 cpu)
{
	__u32 index = claim->share - 1;
	struct flow_record *direct = bpf_map_lookup_elem(&flow_records, &index), *record;

	if (!direct || !cursor || !config.extra_records)
		return 0;
	claim->extra = 1;
	claim->position = cursor->extra ? cursor->extra - 1 :
		direct_records() + (__u32)((__u64)cpu * config.extra_records / config.cpus);
	aim_at(claim, index);
	bpf_loop(config.extra_records < WALK_MOST ? config.extra_records : WALK_MOST,
		 walk_extra, claim, 0);
	cursor->extra = claim->position + 1;
	claim->extra = 0;
	if (!claim->found)
		return 0;
	if (publish_shared(claim, direct)) {
		count_event(EVENT_SNAT_SHARED, 0);
		return 1;
	}
	index = claim->found - 1;
	record = bpf_map_lookup_elem(&flow_records, &index);
	if (record)
		release_record(record, claim->generation);
	claim->found = 0;
	return 0;
}

static __noinline int reuse_oldest(struct claim *claim)
{
	__u32 index = claim->oldest - 1;
	struct flow_record *record = bpf_map_lookup_elem(&flow_records, &index);
	union life life;

	if (!record)
		return 0;
	aim_at(claim, index);
	life = life_read(record);
	if (life.state != FLOW_CLOSED || !take_record(record, index, life, claim))
		return 0;
	count_event(EVENT_SNAT_REUSED_EARLY, 0);
	return 1;
}

/* Finds a port for the claim's tuple: GO_ON with claim->found, or the reason. */
static __noinline int find_snat_port(struct claim *claim)
{
	__u32 family = claim->tuple.family, pool = pool_addresses(family) * port_count();
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 place = family == FAMILY_V6 ? cpu + CURSORS_V6 : cpu;
	struct snat_cursor *cursor = bpf_map_lookup_elem(&snat_cursors, &place);

	if (!cursor)
		return DROP(DROP_INTERNAL);
	if (!pool)
		return DROP(DROP_SNAT_EXHAUSTED);
	if (cursor->exhausted_at && cursor->exhausted_at == claim->now)
		return DROP(DROP_SNAT_EXHAUSTED);
	claim->position = cursor->direct ? cursor->direct - 1 : first_direct(cpu, family);
	bpf_loop(pool < WALK_MOST ? pool : WALK_MOST, walk_direct, claim, 0);
	cursor->direct = claim->position + 1;
	if (claim->found || (claim->share && share_port(claim, cursor, cpu)) ||
	    (claim->oldest && reuse_oldest(claim)))
		return GO_ON;
	cursor->exhausted_at = claim->now;
	return DROP(DROP_SNAT_EXHAUSTED);
}
