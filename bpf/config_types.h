/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the agent sets of the lb program before load: rodata, fixed for a
 * program's life. Addresses as in types.h.
 */
#pragma once

#include "types.h"

struct prefix4 {
	__be32 network;
	__be32 mask;
};

struct prefix6 {
	__be32 network[4];
	__be32 mask[4];
};

/* SNAT addresses that follow each other. */
struct snat_range {
	__u32 first;		/* the first address, in host order */
	__u32 count;		/* how many addresses; 0: unused */
	__u32 first_index;	/* number of the first address among all */
	__u32 own;		/* 1: the node's own address, unknown packets go to the kernel */
};

/* The same for IPv6: addresses that differ in the last word only. */
struct snat_range6 {
	__be32 prefix[3];
	__u32 first;		/* the last word of the first address, in host order */
	__u32 count;
	__u32 first_index;	/* counted on behind the IPv4 addresses */
	__u32 own;
	__u32 reserved;
};

#define MAX_VIP_RANGES 16
#define MAX_SNAT_RANGES 4

/* What is fixed for a program's life: rodata, set before load. */
struct lb_config {
	__u64 hash_seed;
	__u32 vip4_count;
	struct prefix4 vip4[MAX_VIP_RANGES];
	__u32 snat4_count;
	struct snat_range snat4[MAX_SNAT_RANGES];
	__u32 snat_port_min;	/* host order, both ends included */
	__u32 snat_port_max;
	__u32 snat_addresses;	/* of all ranges; direct records are 65536 times this */
	__u32 snat4_addresses;	/* of them IPv4 */
	__u32 extra_records;	/* records behind the direct ones */
	__u32 bucket_mask;	/* frontend buckets, less one; a power of two */
	__u32 client_next_hops_first;	/* the region of next_hops that programs fill */
	__u32 client_next_hops_mask;	/* its size less one, a power of two */
	__u32 recent_mask;	/* lines of recent4, less one; a power of two */
	__u32 hz;		/* jiffies a second */
	__u32 cpus;		/* more than the highest number of a CPU: they start their walks apart */
	__u32 traffic_row;	/* entries of traffic_in and traffic_out that a CPU has */
	__u32 timeout[FLOW_STATES];	/* jiffies, by enum flow_state */
	__u32 reject_per_second;	/* a CPU */
	__u32 vip6_count;
	struct prefix6 vip6[MAX_VIP_RANGES];
	__u32 snat6_count;
	struct snat_range6 snat6[MAX_SNAT_RANGES];
	/* DSR: outer sources, network | (flow hash & ~mask). */
	struct prefix4 outer4;
	struct prefix6 outer6;	/* only the last word varies */
	__be16 gue_port;
	__u8 default_mode;	/* enum service_mode: which lookup comes first */
	__u8 answer_ttl;
	__u32 remember_per_second;	/* a service and CPU */
	__u8 answer_echo;
	__u8 reject_unknown_port;
	__u8 reject_no_backend;
	__u8 reject_no_flow;
};
