/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What crosses the kernel boundary for the node program. Byte order and
 * addresses as in types.h; docs/node.md says what the program does.
 */
#pragma once

#include "config_types.h"

/* Why the node program drops, beside the reasons of enum drop_reason that
 * reading a packet has. Append only. */
enum node_drop_reason {
	NODE_DROP_SOURCE = 32,	/* a tunnel for a VIP from a source that is no LB node */
	NODE_DROP_FRAGMENT,	/* the tunnel packet itself is a fragment */
	NODE_DROP_NO_TARGET,	/* no pod of this node serves that port of the VIP there */
	NODE_DROP_FLOW_TAKEN,	/* other VIPs' flows have all client ports that it could have at the pod */
	NODE_DROP_FLOWS_FULL,	/* no room to remember the flow */
	NODE_DROP_CONGESTED,	/* marked on the tunnel's way, and its ends do not know such marks */
	NODE_DROP_REASONS,
};

enum node_event {
	NODE_EVENT_FLOW_EXPIRED = 0,	/* a flow's place was taken after its timeout */
	NODE_EVENT_FLOW_EVICTED,	/* a half-open one's, before it */
	NODE_EVENT_ICMP_TO_POD,		/* an ICMP error about an answer, translated */
	NODE_EVENT_ICMP_TO_CLIENT,	/* an ICMP error about a request, translated */
	NODE_EVENT_FRAGMENT_TO_POD,	/* a later fragment, which has no ports */
	NODE_EVENT_FRAGMENT_TO_CLIENT,	/* the same of an answer, by the first one's ports */
	NODE_EVENT_PORT_CHANGED,	/* a new flow got another client port towards the pod */
	NODE_EVENTS,
};

/* One way to a pod: the frontend, and the tunnel's outer destination. Port and
 * protocol 0: whatever of the VIP comes to that pod without ports. */
struct node_target_key {
	__be32 vip[4];
	__be32 outer[4];
	__be16 port;
	__u8 protocol;
	__u8 family;		/* of the VIP */
	__u8 outer_family;
	__u8 reserved[3];
};

struct node_target {
	__be32 address[4];	/* of the pod, in the VIP's family */
	__be16 port;
	__u16 reserved;
	__u32 traffic;		/* index into node_traffic */
};

/* The tuple of an answer, as the pod sends it. */
struct node_flow_key {
	__be32 pod[4];
	__be32 client[4];
	__be16 pod_port;
	__be16 client_port;
	__u8 protocol;
	__u8 family;
	__u16 reserved;
} ALIGNED_WORDS;

/* What an answer leaves as. Never changes in place. */
struct node_flow {
	__be32 vip[4];
	__be16 vip_port;
	__u16 generation;	/* of the place's life */
	__u32 place;		/* index into node_flow_places */
	__u32 traffic;
	__be16 client_port;	/* the client's own; the key's is what the pod sees */
	__u16 reserved;
};

/*
 * Each flow has a place, over which one hand goes round: whoever needs a place
 * takes the next that is free or has expired, and removes its former flow. So
 * the table cleans itself, and never evicts an established flow.
 */
struct node_flow_place {
	struct node_flow_key key;
	__u32 seen;		/* this word changes by compare-and-swap: union life */
	__u16 generation;
	__u8 state;		/* enum flow_state */
	__u8 flags;
} ALIGNED_WORDS;

#define MAX_NODE_SOURCES 32

/* Rodata of the node programs. */
struct node_config {
	__u32 vip4_count;
	struct prefix4 vip4[MAX_VIP_RANGES];
	__u32 vip6_count;
	struct prefix6 vip6[MAX_VIP_RANGES];
	__u32 source4_count;	/* outer sources of LB nodes */
	struct prefix4 source4[MAX_NODE_SOURCES];
	__u32 source6_count;
	struct prefix6 source6[MAX_NODE_SOURCES];
	__u32 places;		/* entries of node_flow_places */
	__u32 hz;		/* jiffies a second */
	__u32 timeout[FLOW_STATES];	/* jiffies, by enum flow_state */
	__be16 gue_port;
	__u16 reserved;
};

_Static_assert(sizeof(struct node_target_key) == 40, "node_target_key");
_Static_assert(sizeof(struct node_flow_key) == 40, "node_flow_key");
_Static_assert(sizeof(struct node_flow_place) == 48, "node_flow_place");
