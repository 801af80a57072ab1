/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The word that says when a flow was seen, which life of its place this is, and
 * in which state. It changes by compare-and-swap only, so any CPU may see,
 * refresh, close or reclaim it.
 */
#pragma once

#include "types.h"

/* Another CPU's clock may be read a moment before this one's: a flow that was
 * seen so little in the future is young, not four billion jiffies old. */
#define LIFE_SKEW 1024

union life {
	__u64 word;
	struct {
		__u32 seen;
		__u16 generation;
		__u8 state;
		__u8 flags;
	};
};

static __always_inline int life_change(__u64 *word, union life old, union life new)
{
	return old.word == new.word ||
	       __sync_val_compare_and_swap(word, old.word, new.word) == old.word;
}

/* timeouts: jiffies by enum flow_state. */
static __always_inline int life_timed_out(union life life, __u32 now,
					  const volatile __u32 *timeouts)
{
	__u32 state = life.state, age = now - life.seen;

	asm volatile("" : "+r"(state)); /* the verifier follows this register */
	if (state >= FLOW_STATES)
		return 0;
	return age > timeouts[state] && age < -(__u32)LIFE_SKEW;
}
