/* SPDX-License-Identifier: GPL-2.0 */
/* The maps of the node programs; docs as in maps.h. */
#pragma once

#include "map_macros.h"
#include "node_types.h"

/* Written by the agent. */
HASH(node_targets, struct node_target_key, struct node_target, 65536);

/* Written by the programs. */
HASH(node_flows, struct node_flow_key, struct node_flow, 262144);
MAPPED_ARRAY(node_flow_places, struct node_flow_place, 262144);
MAPPED_ARRAY(node_flow_hand, __u32, 1);
LRU_HASH(node_fragments, struct fragment_key, struct fragment_ports, 4096);

/* Traffic by target, in an entry of its own each; by reason and by event. */
PER_CPU_ARRAY(node_traffic, struct traffic_counters, 65536);
PER_CPU_ARRAY(node_drops, struct packet_counter, 64);
PER_CPU_ARRAY(node_events, struct packet_counter, 32);
