/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All maps. Sizes given here are placeholders where the agent's configuration
 * decides; the agent sets them before load and pins each map as
 * <name>_v<LAYOUT_VERSION>.
 */
#pragma once

#include "map_macros.h"
#include "types.h"

/* Configuration, written by the agent. */
MAPPED_ARRAY(frontends, struct frontend_bucket, 16384);
HASH(frontend_overflow, struct frontend_key, __u32, 1024);
MAPPED_ARRAY(services, struct service, 16384);
MAPPED_ARRAY(maglev_slots, struct slot_line, 32768);
MAPPED_ARRAY(backends, struct backend, 65536);

/* Which clients a service has, by {service, family, address}. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source_range_key);
	__type(value, __u32);
} source_ranges SEC(".maps");
HASH(egress_devices, __u32, struct egress_device, 256);

/* Written by both: the agent names whom to resolve, programs fill in how. */
MAPPED_ARRAY(next_hops, struct next_hop, 8192);

/* Flows, written by the programs. */
HASH(flows4, struct flow_key4, struct flow_forward, 65536);
MAPPED_ARRAY(flow_records, struct flow_record, 65536);
HASH(flows6, struct flow_key6, struct flow_forward, 65536);
HASH(snat_shared, struct shared_key, __u32, 65536);
MAPPED_ARRAY(snat_extra_keys, struct shared_key, 65536);	/* by extra record: its key in snat_shared */
MAPPED_ARRAY(snat_cursors, struct snat_cursor, 1024);

/* Flows of tracked slots. Never evicts: where it is full, nothing is remembered. */
HASH(remembered4, struct flow_key4, struct remembered_flow, 65536);
HASH(remembered6, struct flow_key6, struct remembered_flow, 65536);
MAPPED_ARRAY(recent4, struct recent_line, 32768);	/* copies, by the hash of the flow */
PER_CPU_ARRAY(remember_budgets, struct remember_budget, 16384);

LRU_HASH(fragments, struct fragment_key, struct fragment_ports, 16384);

/* Counters. Of backends by cpu * config.traffic_row + backend: each CPU writes
 * its own row, so that no line is shared, and user space reads them as memory. */
MAPPED_ARRAY(traffic_in, struct traffic_in, 65536);
MAPPED_ARRAY(traffic_out, struct traffic_out, 65536);
MAPPED_ARRAY(service_counters, struct traffic_counters, 16384);	/* the agent's: of backends that are gone */
PER_CPU_ARRAY(drop_counters, struct packet_counter, 32);
PER_CPU_ARRAY(event_counters, struct packet_counter, 32);

/* Packets dropped, by service * DROPS_PER_SERVICE + enum drop_reason. */
#define DROPS_PER_SERVICE 32
PER_CPU_ARRAY(service_drops, __u64, 16384 * DROPS_PER_SERVICE);

PER_CPU_ARRAY(answer_budgets, struct answer_budget, ANSWER_KINDS);	/* by enum answer_kind */
