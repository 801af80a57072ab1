/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of remembered flows, one for each family, and the budget for what
 * is put into it. It never evicts: where it is full, nothing is added, and
 * what is in it stays right.
 */
#pragma once

#include "config.h"
#include "life.h"
#include "maps.h"
#include "packet.h"

/* What is remembered of a tuple. */
struct remembered {
	struct remembered_flow *flow;	/* NULL: nothing */
	__u32 backend;			/* read once: an entry may be used anew at any time */
	__u16 generation;		/* of the backend, as remembered */
	__u16 alive;			/* the backend is still there */
};

static __always_inline struct remembered check_remembered(struct remembered_flow *flow,
							  __u32 service)
{
	struct remembered found = { .flow = flow };
	struct backend *backend;

	if (!flow)
		return found;
	found.backend = *(volatile __u32 *)&flow->backend;
	backend = bpf_map_lookup_elem(&backends, &found.backend);
	found.generation = flow->backend_generation;
	found.alive = backend && backend->state != BACKEND_FREE && backend->service == service &&
		      backend->generation == found.generation;
	return found;
}

/* The entry of a tuple, or of a client: see KEY_OF_CLIENT. */
static __always_inline struct remembered find_remembered(const struct flow_key6 *tuple,
							 __u32 family, __u32 service)
{
	struct flow_key4 key = tuple4(tuple);

	if (family == FAMILY_V6)
		return check_remembered(bpf_map_lookup_elem(&remembered6, tuple), service);
	return check_remembered(bpf_map_lookup_elem(&remembered4, &key), service);
}

/* 0, or an error when the table takes no more. */
static __always_inline int store_remembered(const struct flow_key6 *tuple,
				       const struct remembered_flow *flow, __u32 family)
{
	struct flow_key4 key;

	if (!tuple || !flow)
		return -1;
	if (family == FAMILY_V6)
		return bpf_map_update_elem(&remembered6, tuple, flow, BPF_ANY);
	key = tuple4(tuple);
	return bpf_map_update_elem(&remembered4, &key, flow, BPF_ANY);
}

static __noinline int forget_remembered(const struct flow_key6 *tuple, __u32 family)
{
	struct flow_key4 key;

	if (!tuple)
		return 0;
	if (family == FAMILY_V6)
		return bpf_map_delete_elem(&remembered6, tuple);
	key = tuple4(tuple);
	return bpf_map_delete_elem(&remembered4, &key);
}

/* Silent for longer than its state allows? */
static __always_inline int is_idle(__u32 state, __u32 age)
{
	asm volatile("" : "+r"(state)); /* the verifier follows this register */
	if (state >= FLOW_STATES)
		return 1;
	return age > config.timeout[state] && age < -(__u32)LIFE_SKEW;
}

static __always_inline int remembered_idle(const struct remembered_flow *flow, __u32 now)
{
	return is_idle(flow->state, now - flow->seen);
}

/* The state of a remembered flow after a packet of the client's. */
static __always_inline __u8 remembered_state(__u8 state, __u32 is_syn, __u8 tcp_flags)
{
	if (tcp_flags & TCP_RST)
		return FLOW_CLOSED;
	if (tcp_flags & TCP_FIN && state != FLOW_CLOSED)
		return FLOW_FIN_CLIENT;
	return state == FLOW_SYN && !is_syn ? FLOW_ESTABLISHED : state;
}

/* A token bucket by service and CPU, filled once a jiffy, a second's worth deep. */
static __always_inline int take_remember_token(__u32 service, __u32 now)
{
	struct remember_budget *budget = bpf_map_lookup_elem(&remember_budgets, &service);
	__u32 elapsed, filled;

	if (!budget)
		return 0;
	elapsed = now - budget->refilled;
	filled = elapsed >= config.hz || !budget->refilled ? config.remember_per_second :
					(__u64)elapsed * config.remember_per_second / config.hz;
	if (filled) {
		budget->refilled = now;
		budget->tokens += filled;
		if (budget->tokens > config.remember_per_second)
			budget->tokens = config.remember_per_second;
	}
	if (!budget->tokens)
		return 0;
	budget->tokens--;
	return 1;
}
