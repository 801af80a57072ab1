/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Life of a flow record: its last 8 bytes.
 */
#pragma once

#include "life.h"
#include "maps.h"
#include "next_state.h"

#define LIFE_TRIES 4

static __always_inline __u64 *life_word(struct flow_record *record)
{
	return (__u64 *)&record->seen;
}

static __always_inline union life life_read(struct flow_record *record)
{
	return (union life){ .word = *(volatile __u64 *)life_word(record) };
}

static __always_inline int life_swap(struct flow_record *record, union life old, union life new)
{
	return life_change(life_word(record), old, new);
}

static __always_inline int life_expired(union life life, __u32 now)
{
	return life_timed_out(life, now, config.timeout);
}

static __always_inline int life_available(union life life, __u32 now)
{
	return life.state == FLOW_FREE || life_expired(life, now);
}

static __always_inline int life_live(union life life)
{
	return life.state > FLOW_CLAIMED && !(life.flags & FLOW_F_DETACHED);
}

/*
 * Takes the forward half away from a record: a newer flow of the same client
 * tuple has it. The port stays held for the rest of the hold time.
 */
static __noinline int life_detach(struct flow_record *record, __u16 generation, __u32 now)
{
	if (!record)
		return 0;
	for (int i = 0; i < LIFE_TRIES; i++) {
		union life old = life_read(record), new = old;

		if (old.generation != generation || old.state <= FLOW_CLAIMED)
			return 0;
		if (old.state != FLOW_CLOSED)
			new.seen = now;
		new.state = FLOW_CLOSED;
		new.flags |= FLOW_F_DETACHED;
		if (life_swap(record, old, new))
			return 1;
	}
	return 0;
}

/* After a packet that keeps the flow alive: seen is now, the state follows. */
static __noinline int life_touch(struct flow_record *record, __u16 generation,
				 const struct packet *pkt, int from_client)
{
	if (!record)
		return 0;
	for (int i = 0; i < LIFE_TRIES; i++) {
		union life old = life_read(record), new = old;

		if (old.generation != generation || old.state <= FLOW_CLAIMED)
			return 0;
		new.state = next_state(old.state, pkt, from_client);
		if (old.state != FLOW_CLOSED)
			new.seen = pkt->now;
		if (life_swap(record, old, new))
			return 1;
	}
	return 0;
}
