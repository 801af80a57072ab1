/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the general path works on, of each CPU: on the stack, of which all
 * functions together have 512 bytes, it would not fit. Packets of one CPU
 * follow each other, so they share it.
 */
#pragma once

#include "maps.h"
#include "quote.h"

/* What decides about a packet of a service in a DSR mode. */
struct dsr_choice {
	__u32 hash;
	__u32 backend;		/* the slot's owner, and then whose the packet is */
	__u32 isn;		/* TCP's sequence number, as on the wire; else 0 */
	__u16 checksum;		/* of L4, as on the wire */
	__u16 l4_size;		/* of the L4 header; 0: a later fragment */
};

/* What an ICMP error shall say. */
struct error_view {
	__u32 from[4];		/* of the outer header */
	__u32 to[4];
	__u32 source[4];	/* of the quoted one */
	__u32 destination[4];
	__u32 ports;
};

struct scratch {
	struct packet pkt;
	struct flow_key6 tuple;		/* of the packet, or of the one an ICMP error quotes */
	struct flow_forward opened;	/* a flow that this packet opens */
	struct dsr_choice choice;
	struct flow_key6 former;	/* the tuple of a flow whose record is taken */
	struct flow_key6 client;	/* the tuple without ports */
	struct error_view view;
	struct quote quote;		/* what an ICMP error quotes */
	struct packet quoted;		/* the answer to that */
};

PER_CPU_ARRAY(scratches, struct scratch, 1);

static __always_inline struct scratch *get_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}
