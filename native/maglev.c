// SPDX-License-Identifier: GPL-2.0
/*
 * Maglev tables: Eisenbud et al., "Maglev: A Fast and Reliable Software
 * Network Load Balancer", NSDI 2016, section 3.4, with weights.
 *
 * Each backend walks its own permutation of the slots, offset + j * skip
 * modulo the prime M, and takes the next free one when it is its turn. Turns
 * come in rounds, backends in order within a round, until each has its quota.
 *
 * Weights are in the order of turns, as in Katran's MaglevV2: in each round a
 * backend gains quota / (largest quota), and it takes a slot when that adds up
 * to one. It starts just below one, so that everybody has a turn in the first
 * round and equal quotas make the paper's table. In closed form and in whole
 * numbers, turn k (from 0) of a backend comes in round k * largest / quota,
 * rounded down; hence the largest quota is also the number of rounds.
 *
 * The turns are sorted by counting them per round, which takes M steps however
 * uneven the weights are. Memory is a few words a slot, never slots * backends.
 */
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>
#include "l4lb.h"

#define MAX_BACKENDS 32767	/* a slot has 15 bits for the backend */
#define EMPTY 0xffff

/* Walks the rounds of one backend's turns without a division. */
struct turn_walk {
	__u32 round;
	__u32 remainder;
	__u32 step;
	__u32 step_remainder;
	__u32 quota;
};

static struct turn_walk turns_of(__u32 quota, __u32 largest)
{
	return (struct turn_walk){
		.step = largest / quota,
		.step_remainder = largest % quota,
		.quota = quota,
	};
}

static void next_turn(struct turn_walk *walk)
{
	walk->round += walk->step;
	walk->remainder += walk->step_remainder;
	if (walk->remainder >= walk->quota) {
		walk->remainder -= walk->quota;
		walk->round++;
	}
}

/* Writes the backend of each turn, in the order of turns. */
static void order_turns(const __u32 *quotas, __u32 backends, __u32 largest, __u32 *starts,
			__u16 *turns)
{
	__u32 before = 0;

	memset(starts, 0, (largest + 1) * sizeof(*starts));
	for (__u32 i = 0; i < backends; i++) {
		struct turn_walk walk = turns_of(quotas[i] ? quotas[i] : 1, largest);

		for (__u32 k = 0; k < quotas[i]; k++, next_turn(&walk))
			starts[walk.round]++;
	}
	for (__u32 round = 0; round < largest; round++) {
		__u32 here = starts[round];

		starts[round] = before;
		before += here;
	}
	for (__u32 i = 0; i < backends; i++) {
		struct turn_walk walk = turns_of(quotas[i] ? quotas[i] : 1, largest);

		for (__u32 k = 0; k < quotas[i]; k++, next_turn(&walk))
			turns[starts[walk.round]++] = i;
	}
}

/* positions holds, for each backend, where it stands and how far it steps. */
static void take_slots(const __u16 *turns, __u32 slots, __u32 (*positions)[2], __u16 *table)
{
	memset(table, 0xff, slots * sizeof(*table));
	for (__u32 turn = 0; turn < slots; turn++) {
		__u32 backend = turns[turn];
		__u32 at = positions[backend][0];
		__u32 skip = positions[backend][1];

		while (table[at] != EMPTY) {
			at += skip;
			if (at >= slots)
				at -= slots;
		}
		table[at] = backend;
		positions[backend][0] = at;
	}
}

/*
 * hashes: two words a backend, for offset and skip. The quotas must sum to
 * slots, which must be a prime; -EINVAL otherwise (the prime is not checked).
 */
L4LB_EXPORT int l4lb_maglev_build(__u32 slots, __u32 backends, const __u64 *hashes,
				  const __u32 *quotas, __u16 *table)
{
	__u64 sum = 0;
	__u32 largest = 0;

	for (__u32 i = 0; i < backends; i++) {
		sum += quotas[i];
		if (quotas[i] > largest)
			largest = quotas[i];
	}
	if (slots < 2 || backends > MAX_BACKENDS || sum != slots)
		return -EINVAL;

	__u32 *starts = malloc((largest + 1) * sizeof(*starts));
	__u16 *turns = malloc(slots * sizeof(*turns));
	__u32 (*positions)[2] = malloc(backends * sizeof(*positions));
	int error = starts && turns && positions ? 0 : -ENOMEM;

	if (!error) {
		for (__u32 i = 0; i < backends; i++) {
			positions[i][0] = hashes[2 * i] % slots;
			positions[i][1] = hashes[2 * i + 1] % (slots - 1) + 1;
		}
		order_turns(quotas, backends, largest, starts, turns);
		take_slots(turns, slots, positions, table);
	}
	free(starts);
	free(turns);
	free(positions);
	return error;
}
