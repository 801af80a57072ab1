/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet that nearly every packet is: untagged, without IP options, of a
 * known flow that was seen within the last second, with nothing in its TCP
 * flags, and a next hop that is fresh. All its offsets are constants, and
 * whatever is not so leads to the general path before anything was changed or
 * counted. So there is nothing here that the general path does not say too.
 */
#pragma once

#include "answer.h"

#define GENERAL_PATH GO_ON	/* nothing was changed: let the general path decide */

/* Where things are in a frame without tags and options. */
#define PLAIN_IP(frame) ((struct iphdr *)((frame) + ETH_HLEN))
#define PLAIN_L4(frame) ((frame) + ETH_HLEN + sizeof(struct iphdr))
#define PLAIN_PORTS(frame) (*(__u32 *)PLAIN_L4(frame))
#define TCP_OFFSET_FLAGS 12	/* data offset and flags, one word */
#define PLAIN_SIZE (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr))

/* TCP's data offset, in its place in the word of offset and flags. */
#define TCP_SIZE_MASK 0xf0
#define TCP_SIZE_LEAST 0x50
#define TCP_SIZE_SHIFT 2	/* from there to bytes */

/* Is there anything that the general path would refuse, or look at twice? Length
 * is from the IP header on. The protocol is a constant, here and below. */
static __always_inline int is_plain_frame(const hook_ctx *ctx, void *frame, const __u8 protocol,
					  __u64 *length)
{
	const struct iphdr *ip = PLAIN_IP(frame);
	__u32 size;

	*length = bpf_ntohs(ip->tot_len);
	if (ip->frag_off & IP_FRAGMENT || ip->ttl <= 1 ||
	    ETH_HLEN + (__u32)*length > hook_frame_length(ctx))
		return 0;
	if (protocol == IPPROTO_UDP)
		return *length >= sizeof(struct iphdr) + sizeof(struct udphdr);
	/* One comparison, because a flag is more than any size. */
	size = *(__u16 *)(PLAIN_L4(frame) + TCP_OFFSET_FLAGS) &
	       (TCP_SIZE_MASK | (TCP_SYN | TCP_FIN | TCP_RST) << 8);
	return size - TCP_SIZE_LEAST <= TCP_SIZE_MASK - TCP_SIZE_LEAST &&
	       *length >= sizeof(struct iphdr) + (size >> TCP_SIZE_SHIFT);
}

/* A next hop that can be used as it is: its words {dmac, state}, {smac, vlan}. */
struct fresh_hop {
	__u64 target;
	__u64 source;
	__u32 source_rest;	/* its last two bytes, and no VLAN */
	__u32 ifindex;
};

static __always_inline int is_fresh(const struct next_hop *hop, __u32 now, __u32 hz,
				    struct fresh_hop *fresh)
{
	__u64 state, rest;

	if (now - hop->refreshed >= hz)
		return 0;
	fresh->target = *(volatile const __u64 *)hop->dmac;
	fresh->source = *(volatile const __u64 *)hop->smac;
	fresh->ifindex = hop->ifindex;
	state = fresh->target >> 48;
	rest = fresh->source >> 32;
	asm volatile("" : "+r"(state), "+r"(rest)); /* or it compares with 64-bit constants */
	fresh->source_rest = rest;
	return state == NEXT_HOP_VALID && rest <= 0xffff;
}

/* As is_too_long(). An MTU of 0, which is one that is not known, is left to that. */
static __always_inline int is_longer(const hook_ctx *ctx, void *frame, const __u8 protocol,
				     __u32 length, __u32 mtu)
{
	__u32 l4;

	if (likely(length <= mtu))
		return 0;
	l4 = protocol == IPPROTO_UDP ? sizeof(struct udphdr) : tcp_size(PLAIN_L4(frame));
	return hook_wire_length(ctx, protocol, sizeof(struct iphdr) + l4, length, 0) > mtu;
}

/* The state behind the first address is written over by the second, which ends
 * where the ethertype begins. */
static __always_inline void write_macs(void *frame, const struct fresh_hop *hop)
{
	*(__u64 *)frame = hop->target;
	*(__u32 *)(frame + 6) = hop->source;
	*(__u16 *)(frame + 10) = hop->source_rest;
}

/* The checksum comes last: on tc it moves the frame. */
static __always_inline int rewrite_plain(hook_ctx *ctx, void *frame, const __u8 protocol,
					 const struct rewrite *to)
{
	const __u32 at = protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
						   offsetof(struct udphdr, check);
	struct iphdr *ip = PLAIN_IP(frame);

	ip->ttl--;
	ip->check = checksum_update(ip->check, to->l3_delta);
	ip->saddr = to->source[0];
	ip->daddr = to->destination[0];
	PLAIN_PORTS(frame) = to->ports;
	return hook_update_l4(ctx, PLAIN_L4(frame) + at, ETH_HLEN + sizeof(struct iphdr) + at,
			      protocol, to->l3_delta, to->l4_delta);
}

static __always_inline int forward_plain(hook_ctx *ctx, void *frame, const __u8 protocol)
{
	const struct iphdr *ip = PLAIN_IP(frame);
	struct flow_key4 key = {};
	struct flow_forward *flow;
	struct fresh_hop fresh;
	struct backend *backend;
	struct next_hop *hop;
	struct rewrite to;
	__u64 length;
	__u32 now, hz;

	if (!is_plain_frame(ctx, frame, protocol, &length))
		return GENERAL_PATH;
	key.client = ip->saddr;
	key.vip = ip->daddr;
	*(__u32 *)&key.client_port = PLAIN_PORTS(frame);
	key.protocol = protocol;
	flow = bpf_map_lookup_elem(&flows4, &key);
	if (!flow)
		return GENERAL_PATH;
	backend = bpf_map_lookup_elem(&backends, &flow->backend);
	if (!backend || backend_gone(backend, flow->backend_generation))
		return GENERAL_PATH;
	now = clock_now();
	hop = bpf_map_lookup_elem(&next_hops, &backend->next_hop);
	hz = config.hz;
	if (!hop || now - flow->checked >= hz || !is_fresh(hop, now, hz, &fresh) ||
	    is_longer(ctx, frame, protocol, length, hop->mtu))
		return GENERAL_PATH;
	write_macs(frame, &fresh);
	to.source = flow->snat_addr;
	to.destination = backend->addr;
	to.ports = flow->snat_port | (__u32)backend->port << 16;
	to.l3_delta = flow->l3_delta;
	to.l4_delta = flow->l4_delta;
	if (rewrite_plain(ctx, frame, protocol, &to))
		return DROP(DROP_INTERNAL);
	count_in(flow->backend, length);
	return hook_send(ctx, fresh.ifindex);
}

/* Alive, of this protocol, and this packet changes nothing of its state. */
static __always_inline int life_is_plain(union life life, const __u8 protocol)
{
	__u32 state = life.word >> 48;

	asm volatile("" : "+r"(state)); /* or it compares with a 64-bit constant */
	state &= 0xff | FLOW_F_DETACHED << 8;
	if (protocol == IPPROTO_UDP)
		return state == FLOW_UDP_REPLIED;
	return state - FLOW_SYN <= FLOW_CLOSED - FLOW_SYN;
}

/* A port outside the configured ends has a record too; it is never alive. */
static __always_inline int answer_plain(hook_ctx *ctx, void *frame, const __u8 protocol,
					__u32 snat_index)
{
	const struct iphdr *ip = PLAIN_IP(frame);
	struct flow_record *record;
	struct fresh_hop fresh;
	struct backend *backend;
	struct next_hop *hop;
	struct rewrite to;
	const __u16 *handle;	/* index, generation */
	union life life;
	__u64 length;
	__u32 now, hz, index;

	if (!is_plain_frame(ctx, frame, protocol, &length))
		return GENERAL_PATH;
	index = snat_index << 16 | bpf_ntohs(((__u16 *)PLAIN_L4(frame))[1]);
	record = bpf_map_lookup_elem(&flow_records, &index);
	if (!record)
		return GENERAL_PATH;
	backend = bpf_map_lookup_elem(&backends, &record->backend);
	if (!backend || backend_gone(backend, record->backend_generation) ||
	    backend->addr[0] != ip->saddr || backend->port != *(__u16 *)PLAIN_L4(frame))
		return GENERAL_PATH;
	now = clock_now();
	handle = (const __u16 *)&record->client_next_hop;
	index = handle[0];
	hop = bpf_map_lookup_elem(&next_hops, &index);
	hz = config.hz;
	life = life_read(record);
	if (!hop || !life_is_plain(life, protocol) || now - life.seen >= hz ||
	    hop->generation != handle[1] || !is_fresh(hop, now, hz, &fresh))
		return GENERAL_PATH;
	if (is_longer(ctx, frame, protocol, length, hop->mtu))
		return GENERAL_PATH;
	write_macs(frame, &fresh);
	to.source = record->vip;
	to.destination = record->client;
	to.ports = *(__u32 *)&record->vip_port;
	to.l3_delta = record->l3_delta;
	to.l4_delta = record->l4_delta;
	if (rewrite_plain(ctx, frame, protocol, &to))
		return DROP(DROP_INTERNAL);
	count_out(record->backend, length);
	return hook_send(ctx, fresh.ifindex);
}
