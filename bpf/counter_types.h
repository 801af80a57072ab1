/* SPDX-License-Identifier: GPL-2.0 */
/* What programs count into; like the structs of types.h, which includes this. */
#pragma once

#include <linux/types.h>

#define SHARED_LAYOUT(type, size) \
	_Static_assert(sizeof(type) == (size), #type " has another size than its pinned maps")

/*
 * What one CPU counted for one backend, packets and bytes from the IP header
 * on: what every packet to a backend counts apart from the rest, so that four
 * backends share a cache line of it.
 */
struct traffic_in {
	__u64 packets_in;	/* client to backend */
	__u64 bytes_in;
};
struct traffic_out {
	__u64 packets_out;	/* backend to client */
	__u64 bytes_out;
	__u64 flows;		/* new flows */
	__u64 reserved;
};

/* Packets and bytes (from the IP header on) in both directions. */
struct traffic_counters {
	__u64 packets_in;	/* client to backend */
	__u64 bytes_in;
	__u64 packets_out;	/* backend to client */
	__u64 bytes_out;
	__u64 flows;		/* new flows */
	__u64 folded;		/* the agent's, see src/dataplane/retired-traffic.ts */
	__u64 reserved[2];
};

/* For one reason or event. */
struct packet_counter {
	__u64 packets;
	__u64 bytes;
};

SHARED_LAYOUT(struct traffic_in, 16);
SHARED_LAYOUT(struct traffic_out, 32);
SHARED_LAYOUT(struct traffic_counters, 64);
