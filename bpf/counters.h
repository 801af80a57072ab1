/* SPDX-License-Identifier: GPL-2.0 */
/* Per-CPU counters; user space sums them. Bytes are IP total lengths. */
#pragma once

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

/* A service has what its backends have, and what the agent keeps of those that
 * are gone: so a packet is counted once. The index of the backend is read where
 * it is kept, not copied. */
static __always_inline void count_in(const __u32 *backend, __u64 length)
{
	count_traffic_in(&backend_counters, backend, length);
}

static __always_inline void count_out(const __u32 *backend, __u64 length)
{
	count_traffic_out(&backend_counters, backend, length);
}

static __always_inline void count_flow(__u32 backend)
{
	count_new_flow(&backend_counters, backend);
}
