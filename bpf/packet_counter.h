/* SPDX-License-Identifier: GPL-2.0 */
/* Adding to one entry of a per-CPU array of counters. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "types.h"

static __always_inline void count_packet(void *map, __u32 index, __u32 length)
{
	struct packet_counter *counter = bpf_map_lookup_elem(map, &index);

	if (counter) {
		counter->packets++;
		counter->bytes += length;
	}
}

static __always_inline void count_traffic_in(void *map, const __u32 *index, __u64 length)
{
	struct traffic_counters *counters = bpf_map_lookup_elem(map, index);

	if (counters) {
		counters->packets_in++;
		counters->bytes_in += length;
	}
}

static __always_inline void count_traffic_out(void *map, const __u32 *index, __u64 length)
{
	struct traffic_counters *counters = bpf_map_lookup_elem(map, index);

	if (counters) {
		counters->packets_out++;
		counters->bytes_out += length;
	}
}

static __always_inline void count_new_flow(void *map, __u32 index)
{
	struct traffic_counters *counters = bpf_map_lookup_elem(map, &index);

	if (counters)
		counters->flows++;
}
