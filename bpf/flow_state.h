/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Life of a flow record. The last 8 bytes of a record say when it was seen,
 * which life of the record this is, and in which state; they change by
 * compare-and-swap only, so any CPU may see, refresh, close or reclaim it.
 */
#pragma once

#include "maps.h"
#include "next_state.h"

#define LIFE_TRIES 4

union life {
	__u64 word;
	struct {
		__u32 seen;
		__u16 generation;
		__u8 state;
		__u8 flags;
	};
};

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
	return old.word == new.word ||
	       __sync_val_compare_and_swap(life_word(record), old.word, new.word) == old.word;
}

static __always_inline int life_expired(union life life, __u32 now)
{
	__u32 state = life.state;

	asm volatile("" : "+r"(state)); /* the verifier follows this register */
	if (state >= FLOW_STATES)
		return 0;
	return now - life.seen > config.timeout[state];
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
