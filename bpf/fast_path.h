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

/* The IP total length; 0 if there is anything that the general path would
 * refuse, or look at twice. The protocol is a constant, here and below. */
static __always_inline __u32 plain_length(const hook_ctx *ctx, void *frame, const __u8 protocol)
{
	const struct iphdr *ip = PLAIN_IP(frame);
	__u32 length = bpf_ntohs(ip->tot_len), header, flags;

	if (ip->frag_off & IP_FRAGMENT || ip->ttl <= 1 ||
	    ETH_HLEN + length > hook_frame_length(ctx))
		return 0;
	if (protocol == IPPROTO_UDP)
		return length >= sizeof(struct iphdr) + sizeof(struct udphdr) ? length : 0;
	flags = *(__u16 *)(PLAIN_L4(frame) + TCP_OFFSET_FLAGS);
	header = (flags >> 2) & 0x3c;
	if (flags & (TCP_SYN | TCP_FIN | TCP_RST) << 8 || header < sizeof(struct tcphdr) ||
	    length < sizeof(struct iphdr) + header)
		return 0;
	return length;
}

/* A next hop that can be used as it is: its words {dmac, state}, {smac, vlan}. */
struct fresh_hop {
	__u64 target;
	__u64 source;
	__u32 ifindex;
};

static __always_inline int is_fresh(const struct next_hop *hop, __u32 now, struct fresh_hop *fresh)
{
	if (now - hop->refreshed >= config.hz)
		return 0;
	fresh->target = *(volatile const __u64 *)hop->dmac;
	fresh->source = *(volatile const __u64 *)hop->smac;
	fresh->ifindex = hop->ifindex;
	return fresh->target >> 48 == NEXT_HOP_VALID && fresh->source >> 48 == 0;
}

/* The checksum comes last: on tc it moves the frame. */
static __always_inline int send_plain(hook_ctx *ctx, void *frame, const __u8 protocol,
				      const struct rewrite *to, const struct fresh_hop *hop)
{
	const __u32 at = protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
						   offsetof(struct udphdr, check);
	struct iphdr *ip = PLAIN_IP(frame);

	*(__u64 *)frame = (hop->target & MAC_MASK) | hop->source << 48;
	*(__u32 *)(frame + 8) = hop->source >> 16;
	ip->ttl--;
	ip->check = checksum_apply(ip->check, to->l3_delta + TTL_LESS_ONE_DELTA);
	ip->saddr = to->source[0];
	ip->daddr = to->destination[0];
	PLAIN_PORTS(frame) = to->ports;
	if (hook_update_l4(ctx, PLAIN_L4(frame) + at, ETH_HLEN + sizeof(struct iphdr) + at,
			   protocol, to->l3_delta, to->l4_delta))
		return DROP(DROP_INTERNAL);
	return hook_send(ctx, hop->ifindex);
}

static __always_inline int forward_plain(hook_ctx *ctx, void *frame, const __u8 protocol)
{
	const struct iphdr *ip = PLAIN_IP(frame);
	struct flow_key4 key = {
		.client = ip->saddr, .vip = ip->daddr,
		.client_port = PLAIN_PORTS(frame), .vip_port = PLAIN_PORTS(frame) >> 16,
		.protocol = protocol,
	};
	struct flow_forward *flow = bpf_map_lookup_elem(&flows4, &key);
	struct fresh_hop fresh;
	struct backend *backend;
	struct next_hop *hop;
	struct rewrite to;
	__u32 length = plain_length(ctx, frame, protocol), now = clock_now();

	if (!length || !flow || now - flow->checked >= config.hz)
		return GENERAL_PATH;
	backend = bpf_map_lookup_elem(&backends, &flow->backend);
	if (!backend || backend_gone(backend, flow->backend_generation))
		return GENERAL_PATH;
	hop = bpf_map_lookup_elem(&next_hops, &backend->next_hop);
	if (!hop || !is_fresh(hop, now, &fresh))
		return GENERAL_PATH;
	to.source = flow->snat_addr;
	to.destination = backend->addr;
	to.ports = flow->snat_port | (__u32)backend->port << 16;
	to.l3_delta = flow->l3_delta;
	to.l4_delta = flow->l4_delta;
	count_in(flow->service, flow->backend, length);
	return send_plain(ctx, frame, protocol, &to, &fresh);
}

/* A port outside the configured ends has a record too; it is never alive. */
static __always_inline int answer_plain(hook_ctx *ctx, void *frame, const __u8 protocol,
					__u32 snat_index)
{
	const struct iphdr *ip = PLAIN_IP(frame);
	__u32 index = snat_index << 16 | bpf_ntohs(PLAIN_PORTS(frame) >> 16);
	struct flow_record *record = bpf_map_lookup_elem(&flow_records, &index);
	struct fresh_hop fresh;
	struct backend *backend;
	struct next_hop *hop;
	struct rewrite to;
	union life life;
	__u32 length = plain_length(ctx, frame, protocol), now = clock_now();

	if (!length || !record)
		return GENERAL_PATH;
	life = life_read(record);
	if (!life_live(life) || now - life.seen >= config.hz || record->protocol != protocol ||
	    (protocol == IPPROTO_UDP && life.state == FLOW_UDP))
		return GENERAL_PATH;
	backend = bpf_map_lookup_elem(&backends, &record->backend);
	if (!backend || backend_gone(backend, record->backend_generation) ||
	    backend->addr[0] != ip->saddr || backend->port != (__u16)PLAIN_PORTS(frame))
		return GENERAL_PATH;
	index = record->client_next_hop & 0xffff;
	hop = bpf_map_lookup_elem(&next_hops, &index);
	if (!hop || hop->generation != record->client_next_hop >> 16 ||
	    !is_fresh(hop, now, &fresh))
		return GENERAL_PATH;
	to.source = record->vip;
	to.destination = record->client;
	to.ports = *(__u32 *)&record->vip_port;
	to.l3_delta = ~record->l3_delta;
	to.l4_delta = ~record->l4_delta;
	count_out(record->service, record->backend, length);
	return send_plain(ctx, frame, protocol, &to, &fresh);
}
