/* SPDX-License-Identifier: GPL-2.0 */
/* Copies of remembered flows, which cross the kernel boundary for tests only; see types.h. */
#pragma once

#include "counter_types.h"

/*
 * A copy of what is remembered of a flow over IPv4, good for a second after the
 * flow was seen; see recent.h. check is the key and the word in one: {client,
 * client port, index of the service} ^ word * MIX_FIRST.
 */
struct recent_flow {
	__u64 check;
	__u64 word;		/* 0: nothing */
};

/*
 * The word, from the lowest bit:
 *   24 bits  index of the backend
 *    8 bits  of the backend's generation
 *    4 bits  enum flow_state
 *   28 bits  jiffies when it was seen
 */
#define RECENT_BACKEND_MASK 0xffffff
#define RECENT_GENERATION_SHIFT 24
#define RECENT_STATE_SHIFT 32
#define RECENT_STATE_MASK 0xf
#define RECENT_SEEN_SHIFT 36
#define RECENT_SEEN_MASK 0xfffffff

#define RECENT_EACH_LINE 4
struct recent_line {
	struct recent_flow flow[RECENT_EACH_LINE];
};

SHARED_LAYOUT(struct recent_line, 64);
