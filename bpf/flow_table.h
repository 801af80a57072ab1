/* SPDX-License-Identifier: GPL-2.0 */
/* The forward halves of SNAT flows, a table for each family. */
#pragma once

#include "maps.h"
#include "packet.h"

static __always_inline struct flow_forward *find_flow(const struct flow_key6 *tuple, __u32 family)
{
	struct flow_key4 key;

	if (!tuple)
		return NULL;
	if (family == FAMILY_V6)
		return bpf_map_lookup_elem(&flows6, tuple);
	key = tuple4(tuple);
	return bpf_map_lookup_elem(&flows4, &key);
}

static __always_inline int delete_flow(const struct flow_key6 *tuple, __u32 family)
{
	struct flow_key4 key;

	if (!tuple)
		return 0;
	if (family == FAMILY_V6)
		return bpf_map_delete_elem(&flows6, tuple);
	key = tuple4(tuple);
	return bpf_map_delete_elem(&flows4, &key);
}

/* 0, or an error when the table takes no more. */
static __always_inline int store_flow(const struct flow_key6 *tuple, const struct flow_forward *flow,
				 __u32 family)
{
	struct flow_key4 key;

	if (!tuple || !flow)
		return -1;
	if (family == FAMILY_V6)
		return bpf_map_update_elem(&flows6, tuple, flow, BPF_ANY);
	key = tuple4(tuple);
	return bpf_map_update_elem(&flows4, &key, flow, BPF_ANY);
}
