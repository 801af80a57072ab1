/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Client to backend without translation: the hash alone says whose a packet
 * is, but for tracked slots, and the backend answers the client itself. Any
 * packet; fast_dsr.h has the short way for most of them.
 */
#pragma once

#include "choose.h"
#include "next_hop.h"
#include "rewrite.h"
#include "too_big.h"
#include "tracked.h"

/* What the choice and the outer header need to know of the packet besides. */
static __always_inline void read_choice(hook_ctx *ctx, struct scratch *scratch)
{
	const struct packet *pkt = &scratch->pkt;
	struct headers at;

	scratch->choice.isn = 0;
	scratch->choice.checksum = 0;
	scratch->choice.l4_size = 0;
	find_headers(ctx, pkt, &at);
	if (pkt->fragment == FRAGMENT_LATER)
		return;
	if (pkt->protocol == IPPROTO_TCP && at.l4 + sizeof(struct tcphdr) <= at.end) {
		scratch->choice.isn = ((struct tcphdr *)at.l4)->seq;
		scratch->choice.checksum = ((struct tcphdr *)at.l4)->check;
		scratch->choice.l4_size = tcp_size(at.l4);
	} else if (at.l4 + sizeof(struct udphdr) <= at.end) {
		scratch->choice.checksum = ((struct udphdr *)at.l4)->check;
		scratch->choice.l4_size = sizeof(struct udphdr);
	}
}

/* The packet's backend in scratch->choice. */
static __always_inline int choose_dsr(struct scratch *scratch, const struct service *service)
{
	struct packet *pkt = &scratch->pkt;
	__u64 word = *(volatile const __u64 *)&service->table;
	__s32 slot;

	scratch->choice.hash = hash_packet(pkt, service->flags);
	slot = read_slot(word, scratch->choice.hash);
	if (slot < 0)
		return DROP(DROP_NO_BACKEND);
	scratch->choice.backend = slot_backend(word, slot);
	if (slot & SLOT_TRACKED)
		return choose_tracked(scratch, service);
	if (is_syn(pkt) && !takes_connections(scratch->choice.backend))
		return DROP(DROP_NO_BACKEND);
	return GO_ON;
}

/* One hop less. Nothing else of the packet changes. */
static __always_inline int count_hop(hook_ctx *ctx, const struct packet *pkt, struct inner *inner)
{
	struct headers at;
	__u8 *bytes;

	find_headers(ctx, pkt, &at);
	bytes = at.ip;
	if (pkt->family == FAMILY_V6) {
		struct ipv6hdr *ip = at.ip;

		if ((void *)(ip + 1) > at.end)
			return DROP(DROP_INTERNAL);
		ip->hop_limit = pkt->ttl - 1;
		inner->tos = bytes[0] << 4 | bytes[1] >> 4;
	} else {
		struct iphdr *ip = at.ip;

		if ((void *)(ip + 1) > at.end)
			return DROP(DROP_INTERNAL);
		ip->ttl = pkt->ttl - 1;
		ip->check = checksum_apply(ip->check, TTL_LESS_ONE_DELTA);
		inner->tos = bytes[1];
	}
	return GO_ON;
}

/* Counts it, and puts it into the outer header of the mode. */
static __always_inline int wrap(hook_ctx *ctx, struct scratch *scratch,
				const struct backend *backend, __u32 mode, __u16 fragment_id)
{
	struct packet *pkt = &scratch->pkt;
	struct inner inner = {
		.hash = scratch->choice.hash, .length = pkt->length, .fragment_id = fragment_id,
		.family = pkt->family, .protocol = pkt->protocol,
	};
	int result = count_hop(ctx, pkt, &inner);

	if (result)
		return result;
	if (is_icmp(pkt))
		count_event(EVENT_ICMP_FORWARDED, pkt->length);
	else
		count_in(scratch->choice.backend, pkt->length);
	if (is_syn(pkt))
		count_flow(scratch->choice.backend);
	return mode == MODE_L2 ? GO_ON : encapsulate_any(ctx, pkt, backend, &inner, mode);
}

static __always_inline int send_dsr(hook_ctx *ctx, struct scratch *scratch,
				    const struct backend *backend, __u32 mode)
{
	struct packet *pkt = &scratch->pkt;
	struct next_hop *hop = next_hop_at(ctx, pkt, backend->next_hop);
	__u32 size = outer_size(mode, backend->family), length;
	__u16 fragment_id = 0;
	int result;

	/* A gateway would send it where its destination is: to an LB node. */
	if (mode == MODE_L2 && hop && hop->routed)
		return DROP(DROP_OFF_SEGMENT);
	/* To the kernel it would be a packet to the VIP, and come back. */
	if (mode == MODE_L2 && (!hop || hop->state != NEXT_HOP_VALID))
		return DROP(DROP_NO_ROUTE);
	length = hook_wire_length(ctx, pkt->protocol, pkt->l3_size + scratch->choice.l4_size,
				  pkt->length, size);
	if (hop && hop->mtu && length > hop->mtu) {
		result = refuse_too_big(ctx, pkt, size, hop->mtu, backend->family);
		if (result)
			return result;
		fragment_id = outer_id(scratch);
	}
	result = wrap(ctx, scratch, backend, mode, fragment_id);
	if (result)
		return result;
	return send_to(ctx, pkt, fragment_id ? NULL : hop);
}

/* A packet of the service pkt->service, which is in a DSR mode. */
static __noinline int forward_dsr(hook_ctx *ctx, struct scratch *scratch)
{
	struct service *service;
	struct backend *backend;
	int result;

	if (!scratch)
		return DROP(DROP_INTERNAL);
	service = bpf_map_lookup_elem(&services, &scratch->pkt.service);
	if (!service)
		return DROP(DROP_INTERNAL);
	if (!has_client(service, &scratch->pkt))
		return DROP(DROP_SOURCE_RANGE);
	read_choice(ctx, scratch);
	result = choose_dsr(scratch, service);
	if (result)
		return result;
	backend = bpf_map_lookup_elem(&backends, &scratch->choice.backend);
	if (!backend || backend->state == BACKEND_FREE)
		return DROP(DROP_INTERNAL);
	return send_dsr(ctx, scratch, backend, service->flags & SERVICE_F_MODE);
}
