/* SPDX-License-Identifier: GPL-2.0 */
/* Per-CPU counters; user space sums them. Bytes are IP total lengths. */
#pragma once

#include "maps.h"
#include "packet.h"

static __always_inline void count_event(enum event_kind kind, __u16 length)
{
	__u32 index = kind;
	struct packet_counter *counter = bpf_map_lookup_elem(&event_counters, &index);

	if (counter) {
		counter->packets++;
		counter->bytes += length;
	}
}

static __always_inline void count_drop(const struct packet *pkt, __u32 reason)
{
	struct packet_counter *counter = bpf_map_lookup_elem(&drop_counters, &reason);
	__u32 index = pkt->service * DROPS_PER_SERVICE + reason;
	__u64 *drops;

	if (counter) {
		counter->packets++;
		counter->bytes += pkt->length;
	}
	if (!pkt->service)
		return;
	drops = bpf_map_lookup_elem(&service_drops, &index);
	if (drops)
		(*drops)++;
}

/* The index of the backend is read where it is kept, not copied. */
static __always_inline void count_in(__u32 service, const __u32 *backend, __u64 length)
{
	struct traffic_counters *counters = bpf_map_lookup_elem(&service_counters, &service);

	if (counters) {
		counters->packets_in++;
		counters->bytes_in += length;
	}
	counters = bpf_map_lookup_elem(&backend_counters, backend);
	if (counters) {
		counters->packets_in++;
		counters->bytes_in += length;
	}
}

static __always_inline void count_out(__u32 service, const __u32 *backend, __u64 length)
{
	struct traffic_counters *counters = bpf_map_lookup_elem(&service_counters, &service);

	if (counters) {
		counters->packets_out++;
		counters->bytes_out += length;
	}
	counters = bpf_map_lookup_elem(&backend_counters, backend);
	if (counters) {
		counters->packets_out++;
		counters->bytes_out += length;
	}
}

static __always_inline void count_flow(__u32 service, __u32 backend)
{
	struct traffic_counters *counters = bpf_map_lookup_elem(&service_counters, &service);

	if (counters)
		counters->flows++;
	counters = bpf_map_lookup_elem(&backend_counters, &backend);
	if (counters)
		counters->flows++;
}
