/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every struct that crosses the kernel boundary, defined once.
 *
 * The BPF programs include this file; the TypeScript layouts are generated
 * from the BTF of the compiled object, so nothing here is typed twice.
 *
 * Byte order: a __be16/__be32 field holds the bytes as they are on the wire;
 * every other integer is in the machine's own order. An address is four
 * words; IPv4 uses addr[0] and leaves the others zero.
 *
 * A change of any layout below changes LAYOUT_VERSION, because pinned maps
 * outlive the agent that made them. A field that was reserved and gets a
 * meaning is such a change: what an older program wrote there has none.
 * test/golden/map-layouts.json holds what the version stands for.
 */
#pragma once

#include <linux/types.h>
#include "counter_types.h"
#include "recent_types.h"

/* So that the compiler makes one access of a word that is read or published as
 * a whole; with the alignment of its members it would make two. */
#define ALIGNED_WORDS __attribute__((aligned(8)))

/* Goes into the name of every pinned map. */
enum layout { LAYOUT_VERSION = 2 };

enum address_family { FAMILY_NONE = 0, FAMILY_V4 = 4, FAMILY_V6 = 6 };

/* Why a packet was dropped. The order is part of the layout: append only. */
enum drop_reason {
	DROP_NONE = 0,
	DROP_TRUNCATED,		/* shorter than its headers say */
	DROP_BAD_HEADER,	/* IPv4 header length or total length makes no sense */
	DROP_EARLY_FRAGMENT,	/* a later fragment, and the first has not taught its ports */
	DROP_UNKNOWN_PROTOCOL,	/* neither TCP, UDP nor ICMP */
	DROP_ICMP,		/* an ICMP message that is not an answered echo */
	DROP_UNKNOWN_VIP,	/* inside a VIP range, but no service has it */
	DROP_UNKNOWN_PORT,	/* the VIP is served, this port is not */
	DROP_NO_BACKEND,	/* the service has no backend for new flows */
	DROP_NO_FLOW,		/* TCP without SYN, and no flow is known */
	DROP_BACKEND_GONE,	/* the flow's backend is no longer there */
	DROP_SNAT_EXHAUSTED,	/* no SNAT port is left for this backend */
	DROP_SNAT_TABLE,	/* the forward table took no further entry */
	DROP_SNAT_NO_FLOW,	/* an answer to a SNAT address that no flow owns */
	DROP_TTL,		/* would leave with a TTL of zero */
	DROP_NO_ROUTE,		/* the route towards the next hop is a blackhole */
	DROP_REJECT_LIMITED,	/* a reject that the rate limit held back */
	DROP_INTERNAL,		/* a map entry that must exist does not */
	DROP_EXTENSION_HEADER,	/* IPv6 extension headers too many, too long, or not to be forwarded */
	DROP_ICMP_NO_FLOW,	/* an ICMP error whose quoted packet belongs to no flow of ours */
	DROP_SOURCE_RANGE,	/* the client is in none of the service's source ranges */
	DROP_TOO_BIG,		/* does not fit its way, answered or not */
	DROP_OFF_SEGMENT,	/* mode l2, and the backend is behind a gateway */
	DROP_REASONS,
};

/* What happened to a packet that was not dropped and is counted. */
enum event_kind {
	EVENT_ECHO_ANSWERED = 0,	/* echo reply sent for a VIP */
	EVENT_REJECTED,			/* TCP RST or ICMP port unreachable sent */
	EVENT_TO_KERNEL,		/* next hop unresolved: rewritten, then handed over */
	EVENT_SNAT_SHARED,		/* new flow on a port that another backend's flow holds */
	EVENT_SNAT_REUSED_EARLY,	/* a closed flow's port reused before its hold ended */
	EVENT_FLOW_ORPHAN,		/* a forward half without its record was removed */
	EVENT_SNAT_PASSED,		/* to the node's own SNAT address, not a flow: kernel's */
	EVENT_REMEMBERED,		/* a flow of a tracked slot was remembered */
	EVENT_NOT_REMEMBERED,		/* it was not, by rate or a full table: the former owner has it */
	EVENT_TOO_BIG_ANSWERED,		/* frag-needed or packet-too-big sent */
	EVENT_TTL_ANSWERED,		/* time-exceeded sent */
	EVENT_ICMP_FORWARDED,		/* an ICMP error followed its flow */
	EVENT_FRAGMENT_FOLLOWED,	/* a later fragment followed the first */
	EVENT_KINDS,
};

enum backend_state {
	BACKEND_FREE = 0,	/* no backend here: flows that name it are lost */
	BACKEND_ACTIVE = 1,	/* may be named by slots */
	BACKEND_DRAINING = 2,	/* keeps its flows, is in no table */
};

/* How packets travel to a service's backends. */
enum service_mode {
	MODE_SNAT = 0,
	MODE_IPIP = 1,		/* DSR: in an outer IPv4 or IPv6 header */
	MODE_GUE = 2,		/* DSR: in UDP, Generic UDP Encapsulation */
	MODE_L2 = 3,		/* DSR: by MAC address, on the same segment */
	SERVICE_MODES,
};

enum service_flag {
	SERVICE_F_MODE = 3,		/* the bits of enum service_mode */
	SERVICE_F_AFFINITY = 4,		/* the hash is of the client's address alone */
	SERVICE_F_SOURCES = 8,		/* only clients in source_ranges are served */
	SERVICE_F_HASH3 = 16,		/* the hash leaves out the ports: fragments need no memory */
};

enum flow_state {
	FLOW_FREE = 0,
	FLOW_CLAIMED,		/* being written by the CPU that claimed it */
	FLOW_SYN,		/* TCP: SYN seen, no answer yet */
	FLOW_ESTABLISHED,	/* TCP: both directions seen */
	FLOW_FIN_CLIENT,	/* TCP: FIN seen from the client only */
	FLOW_FIN_BACKEND,	/* TCP: FIN seen from the backend only */
	FLOW_CLOSED,		/* TCP: both FINs, or a RST; holds its port (TIME_WAIT) */
	FLOW_UDP,		/* UDP: no answer seen yet */
	FLOW_UDP_REPLIED,	/* UDP: answered */
	FLOW_STATES,
};

enum flow_flag {
	FLOW_F_SHARED = 1,	/* on a direct record: others share its port (see snat_shared) */
	FLOW_F_EXTRA = 2,	/* a record of the extra region, found through snat_shared */
	FLOW_F_DETACHED = 4,	/* its forward half belongs to a newer flow now */
	FLOW_F_V6 = 16,
};

enum next_hop_state {
	NEXT_HOP_UNRESOLVED = 0,	/* hand packets to the kernel, try again soon */
	NEXT_HOP_VALID = 1,
	NEXT_HOP_BLACKHOLE = 2,		/* drop with DROP_NO_ROUTE */
};

/* A frontend: VIP, port, protocol. Port and protocol 0: the VIP itself. */
struct frontend_key {
	__be32 addr[4];
	__be16 port;
	__u8 protocol;
	__u8 family;
};

/*
 * One cache line of the frontend index. A slot is one 8-byte word, written by
 * one store: the upper half a tag, the lower half the index of the service; 0
 * is empty. Services that find no slot are in frontend_overflow, and the
 * bucket says so.
 */
#define FRONTENDS_PER_BUCKET 7
#define BUCKET_OVERFLOWED 1
struct frontend_bucket {
	__u64 slot[FRONTENDS_PER_BUCKET];
	__u64 flags;
};

/*
 * A service, which is one frontend. table is the record of its Maglev table
 * and is switched by one aligned 8-byte store; see TABLE_* below.
 */
struct service {
	struct frontend_key key;
	__u32 flags;
	__u64 table;
	/* The table of the oldest owners since the window opened, in the same
	 * block and with a size class of its own; 0: no window. It is stored
	 * before the table whose tracked bits need it. */
	__u64 oldest;
	__u32 generation;	/* counts the lives of this index */
	__u32 window_start;	/* jiffies of the last change that tracked a slot */
	__u32 window_tcp;	/* jiffies until tracked slots flip */
	__u32 window_udp;
	__u32 reserved[2];
};

/*
 * The word service.table, from the lowest bit:
 *   24 bits  first line of the table in maglev_slots
 *    4 bits  size class, index into table_sizes; 0: no table, no backend
 *    4 bits  binary logarithm of the block's capacity; 0: no block. The agent's
 *            own record, programs do not read it
 *   24 bits  index of the service's first backend in backends
 *    8 bits  generation, counts the switches
 */
#define TABLE_LINE_BITS 24
#define TABLE_CLASS_SHIFT 24
#define TABLE_CLASS_MASK 0xf
#define TABLE_ORDER_SHIFT 28
#define TABLE_BLOCK_SHIFT 32
#define TABLE_BLOCK_MASK 0xffffff
#define TABLE_GENERATION_SHIFT 56

/* 32 slots in a cache line; a slot is an index into the service's own block of
 * backends (15 bits) and the tracked bit. */
#define SLOTS_PER_LINE 32
#define SLOT_TRACKED 0x8000
#define SLOT_BACKEND 0x7fff
struct slot_line {
	__u16 slot[SLOTS_PER_LINE];
};

/* The last word is published by one 8-byte store, after the others. */
struct backend {
	__be32 addr[4];
	__u32 next_hop;		/* index into next_hops, 0: none, hand to the kernel */
	__u16 outer_checksum;	/* partial sum of an outer IPv4 header (DSR) */
	__be16 port;
	__u16 generation;	/* counts the lives of this index; flows compare it */
	__u8 state;		/* enum backend_state */
	__u8 family;		/* enum address_family */
	__u32 service;		/* index of the service this entry belongs to */
} ALIGNED_WORDS;

/*
 * One cache line a next hop. dmac and state change by one 8-byte store. An
 * entry is looked up in the FIB again when it is older than a second; the CPU
 * that moves refreshed does it, the others use what is there.
 */
struct next_hop {
	__u8 dmac[6];
	__u16 state;		/* enum next_hop_state */
	__u8 smac[6];
	__u16 vlan;		/* 802.1Q id to leave with, 0: untagged */
	__u32 ifindex;
	__u32 refreshed;	/* jiffies */
	__be32 addr[4];		/* whom to resolve: a backend, or a gateway towards clients */
	__u8 family;
	__u8 in_use;		/* towards clients: claimed by the first CPU that needs it */
	__u16 generation;	/* towards clients: counts the lives of this index */
	__u32 mtu;		/* of the way there, bytes from the IP header on; 0: not known */
	__u32 routed;		/* to a backend: 1, the way leads over a gateway */
	__u32 reserved[3];
} ALIGNED_WORDS;

/* The device behind an ifindex that the FIB names: a VLAN device stands for
 * its parent and a tag. */
struct egress_device {
	__u32 ifindex;
	__u16 vlan;
	__u16 reserved;
};

/* The client's tuple, as it comes to the VIP. */
struct flow_key4 {
	__be32 client;
	__be32 vip;
	__be16 client_port;
	__be16 vip_port;
	__u32 protocol;
};

struct flow_key6 {
	__be32 client[4];
	__be32 vip[4];
	__be16 client_port;
	__be16 vip_port;
	__u32 protocol;
};

/*
 * A flow of a tracked slot that is remembered, by its tuple; or a client of a
 * service with affinity, by a tuple with client port 0 and this bit in the
 * protocol: a flow may have port 0 too. In place only the last eight bytes
 * change, by one store.
 */
#define KEY_OF_CLIENT 0x100
struct remembered_flow {
	__u32 backend;			/* index into backends */
	__u16 backend_generation;
	__u8 state;			/* enum flow_state: FLOW_SYN, _ESTABLISHED, _CLOSED, _UDP */
	__u8 reserved;
	__u32 isn;			/* of the SYN that was remembered, as on the wire */
	__u32 seen;			/* jiffies, to within a second */
} ALIGNED_WORDS;

/* A token bucket for remembering, by service and CPU. */
struct remember_budget {
	__u32 refilled;		/* jiffies; 0: never, it is full */
	__u32 tokens;
};

/* What later fragments lack: the ports, from the first one. */
struct fragment_key {
	__be32 source[4];
	__be32 destination[4];
	__u32 id;
	__u8 protocol;
	__u8 family;
	__u16 reserved;
};
struct fragment_ports {
	__u32 ports;		/* source port in the low half, as loaded */
	__u32 seen;		/* jiffies */
};

/* A service's clients: longest prefix match. For IPv4 the prefix covers
 * addr[0] only. */
struct source_range_key {
	__u32 prefix_length;	/* 64 more than the CIDR's */
	__u32 service;
	__u32 family;
	__be32 addr[4];
};

/*
 * The forward half of a SNAT flow. It rewrites without touching the record;
 * once a second it visits the record, which alone decides life and death.
 */
struct flow_forward {
	__be32 snat_addr[4];
	__u32 backend;			/* index into backends */
	__u16 backend_generation;
	__be16 snat_port;
	__u16 l3_delta;			/* checksum difference of addresses and TTL */
	__u16 l4_delta;			/* of addresses and ports */
	__u32 record;			/* index into flow_records */
	__u16 record_generation;
	__u16 service;			/* index into services */
	__u32 checked;			/* jiffies of the last visit to the record */
} ALIGNED_WORDS;

/*
 * The record of a SNAT flow, one cache line, and its reply half. The first
 * addresses * 65536 records are indexed by (SNAT address, port); the extra
 * ones behind them are found through snat_shared. The last 8 bytes change by
 * compare-and-swap only.
 */
struct flow_record {
	__be32 client[4];
	__be32 vip[4];
	__be16 vip_port;	/* these two are an answer's ports, in its order */
	__be16 client_port;
	__u32 backend;
	__u32 client_next_hop;	/* index into next_hops, its generation in the upper half */
	__u16 service;
	__u16 backend_generation;
	__u16 l3_delta;		/* as in the forward half, for the answer */
	__u16 l4_delta;
	__be16 snat_port;
	__u8 snat_index;	/* which SNAT address */
	__u8 protocol;
	__u32 seen;		/* jiffies, to within a second */
	__u16 generation;	/* counts the lives of this record */
	__u8 state;		/* enum flow_state */
	__u8 flags;		/* enum flow_flag */
} ALIGNED_WORDS;

/* A port that more than one backend's flows use: whose record answers? */
struct shared_key {
	__be32 backend[4];
	__be16 backend_port;
	__be16 snat_port;
	__u8 snat_index;
	__u8 protocol;
	__u16 family;
};

/* Where a CPU looks for its next SNAT port and its next extra record. */
struct snat_cursor {
	__u32 direct;
	__u32 extra;
	__u32 exhausted_at;	/* jiffies of the last fruitless walk, 0: none */
	__u32 reserved;
};

/* What a VIP answers by itself. Each kind has a budget of its own: who is refused
 * often must not keep others from learning what their way takes. */
enum answer_kind { ANSWER_REJECT = 0, ANSWER_TIME_EXCEEDED, ANSWER_TOO_BIG, ANSWER_KINDS };

/* A token bucket for the answers of a kind, one a CPU. */
struct answer_budget {
	__u32 refilled;		/* jiffies */
	__u32 tokens;
};

SHARED_LAYOUT(struct frontend_key, 20);
SHARED_LAYOUT(struct frontend_bucket, 64);
SHARED_LAYOUT(struct service, 64);
SHARED_LAYOUT(struct slot_line, 64);
SHARED_LAYOUT(struct backend, 32);
SHARED_LAYOUT(struct next_hop, 64);
SHARED_LAYOUT(struct egress_device, 8);
SHARED_LAYOUT(struct flow_key4, 16);
SHARED_LAYOUT(struct flow_key6, 40);
SHARED_LAYOUT(struct remembered_flow, 16);
SHARED_LAYOUT(struct fragment_key, 40);
SHARED_LAYOUT(struct source_range_key, 28);
SHARED_LAYOUT(struct flow_forward, 40);
SHARED_LAYOUT(struct flow_record, 64);
SHARED_LAYOUT(struct shared_key, 24);
