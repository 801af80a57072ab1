/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Remembered flows over IPv4 that were seen within the last second, four in a
 * cache line that the flow's hash leads to: one load that misses the cache,
 * where a hash table of the kernel has two, the second after the first. The
 * table stays the truth. Whoever changes an entry there changes the copy too;
 * what is not here, or older than a second, is looked up there.
 *
 * No lock: a copy is two words, and the key is stored combined with the value
 * (R. Hyatt and T. Mann, A Lockless Transposition-Table Implementation for
 * Parallel Search, 2002), so that two words of different writers match no key.
 */
#pragma once

#include "remembered.h"
#include "scratch.h"

/* A service stands for VIP, port and protocol. */
static __always_inline __u64 recent_key(__u32 client, __u16 client_port, __u32 service)
{
	return (__u64)client << 32 | (__u32)client_port << 16 | (__u16)service;
}

/* Multiplied, so that values which differ in a bit do not turn one flow's key
 * into a neighbour's. */
static __always_inline __u64 recent_check(__u64 key, __u64 word)
{
	return key ^ word * MIX_FIRST;
}

static __always_inline __u64 recent_word(const struct remembered_flow *flow)
{
	return flow->backend |
	       (__u64)(__u8)flow->backend_generation << RECENT_GENERATION_SHIFT |
	       (__u64)flow->state << RECENT_STATE_SHIFT | (__u64)flow->seen << RECENT_SEEN_SHIFT;
}

/* Of a flow in jiffies; what was seen long ago may come out younger, but with a
 * clock of 1,000 a second only after 74 hours. */
static __always_inline __u32 recent_age(__u64 word, __u32 now)
{
	return (now - (__u32)(word >> RECENT_SEEN_SHIFT)) & RECENT_SEEN_MASK;
}

/* The port is in, because the hash may leave it out. */
static __always_inline struct recent_line *recent_line(__u32 hash, __u16 client_port)
{
	__u32 position = (hash + client_port) & config.recent_mask;

	return bpf_map_lookup_elem(&recent4, &position);
}

/* The copy's word, or 0. */
static __always_inline __u64 find_recent(const struct recent_line *line, __u64 key)
{
#pragma unroll
	for (int i = 0; i < RECENT_EACH_LINE; i++) {
		__u64 word = *(volatile const __u64 *)&line->flow[i].word;
		__u64 check = *(volatile const __u64 *)&line->flow[i].check;

		if (recent_check(key, word) == check)
			return word;
	}
	return 0;
}

/* Where the copy is, or where nobody was seen within the last second; or NULL. */
static __always_inline struct recent_flow *recent_place(struct recent_line *line, __u64 key,
							__u32 now)
{
	struct recent_flow *place = NULL;

#pragma unroll
	for (int i = 0; i < RECENT_EACH_LINE; i++) {
		struct recent_flow *flow = &line->flow[i];
		__u64 word = *(volatile const __u64 *)&flow->word;

		if (recent_check(key, word) == *(volatile const __u64 *)&flow->check)
			return flow;
		if (!word || recent_age(word, now) >= config.hz)
			place = flow;
	}
	return place;
}

/* Makes the copy of the packet's flow what remembered4 has now; flow NULL:
 * nothing. A line full of others that were just seen takes no more. */
static __noinline int copy_recent(struct scratch *scratch, const struct remembered_flow *flow)
{
	struct recent_line *line;
	struct recent_flow *place;
	__u64 key, word;
	__u16 port;

	if (!scratch || scratch->pkt.family != FAMILY_V4)
		return 0;
	port = scratch->tuple.client_port;
	line = recent_line(scratch->choice.hash, port);
	if (!line)
		return 0;
	key = recent_key(scratch->tuple.client[0], port, scratch->pkt.service);
	word = flow ? recent_word(flow) : 0;
	place = recent_place(line, key, scratch->pkt.now);
	if (place) {
		*(volatile __u64 *)&place->word = word;
		*(volatile __u64 *)&place->check = recent_check(key, word);
	}
	return 0;
}
