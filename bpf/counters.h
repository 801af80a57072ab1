/* SPDX-License-Identifier: GPL-2.0 */
/* Counters of each CPU; user space sums them. Bytes are IP total lengths. */
#pragma once

#include "config.h"
#include "maps.h"
#include "packet.h"
#include "packet_counter.h"

static __always_inline void count_event(enum event_kind kind, __u16 length)
{
	count_packet(&event_counters, kind, length);
}

static __always_inline void count_drop(const struct packet *pkt, __u32 reason)
{
	__u32 index = pkt->service * DROPS_PER_SERVICE + reason;
	__u64 *drops;

	count_packet(&drop_counters, reason, pkt->length);
	if (!pkt->service)
		return;
	drops = bpf_map_lookup_elem(&service_drops, &index);
	if (drops)
		(*drops)++;
}

/* Where this CPU counts for a backend. The maps have a row for every possible
 * CPU, and nothing else runs on this one meanwhile: so no store is atomic. */
static __always_inline __u32 traffic_place(__u32 backend)
{
	return bpf_get_smp_processor_id() * config.traffic_row + backend;
}

/* A service has what its backends have, and what the agent keeps of those that
 * are gone: so a packet is counted once. */
static __always_inline void count_in(__u32 backend, __u64 length)
{
	__u32 place = traffic_place(backend);
	struct traffic_in *counters = bpf_map_lookup_elem(&traffic_in, &place);

	if (counters) {
		counters->packets_in++;
		counters->bytes_in += length;
	}
}

static __always_inline void count_out(__u32 backend, __u64 length)
{
	__u32 place = traffic_place(backend);
	struct traffic_out *counters = bpf_map_lookup_elem(&traffic_out, &place);

	if (counters) {
		counters->packets_out++;
		counters->bytes_out += length;
	}
}

static __always_inline void count_flow(__u32 backend)
{
	__u32 place = traffic_place(backend);
	struct traffic_out *counters = bpf_map_lookup_elem(&traffic_out, &place);

	if (counters)
		counters->flows++;
}
