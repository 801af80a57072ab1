/* SPDX-License-Identifier: GPL-2.0 */
/* ICMP errors about answers of services in a DSR mode: to the backend that
 * sent the answer, as any packet of the flow. */
#pragma once

#include "dsr.h"

/* Of a tracked slot, where the quoted flow is: remembered, or still with the
 * oldest owner. Datagrams go after a client that is known, and are not
 * remembered themselves then. An error teaches nothing. */
static __always_inline __u32 tracked_place(struct scratch *scratch,
					   const struct service *service, __u32 owner)
{
	const struct flow_key6 *tuple = &scratch->tuple;
	const struct packet *pkt = &scratch->pkt;
	struct remembered known = find_remembered(tuple, pkt->family, pkt->service);
	__u32 window = tuple->protocol == IPPROTO_UDP ? service->window_udp : service->window_tcp;
	__u32 start, oldest_owner;
	__u64 oldest;
	__s32 slot;

	if (known.alive)
		return known.backend;
	if (service->flags & SERVICE_F_AFFINITY && tuple->protocol == IPPROTO_UDP &&
	    find_client(scratch, &known))
		return known.backend;
	start = *(volatile const __u32 *)&service->window_start;
	oldest = *(volatile const __u64 *)&service->oldest;
	slot = read_slot(oldest, scratch->choice.hash);
	if (slot < 0 || pkt->now - start > window)
		return owner;
	oldest_owner = slot_backend(oldest, slot);
	return is_there(oldest_owner) ? oldest_owner : owner;
}

static __always_inline struct service *quoted_service(struct scratch *scratch)
{
	struct frontend_key key = {
		.port = scratch->tuple.vip_port, .protocol = scratch->tuple.protocol,
		.family = scratch->pkt.family,
	};

	copy_address(key.addr, scratch->tuple.vip);
	return find_service(&key, &scratch->pkt.service);
}

/* scratch->tuple is the quoted flow's, which has no entry in the flow table. */
static __noinline int error_to_dsr(hook_ctx *ctx, struct scratch *scratch)
{
	struct service *service;
	struct backend *backend;
	struct flow_key6 *tuple;
	__u64 word;
	__s32 slot;

	if (!scratch)
		return DROP(DROP_INTERNAL);
	service = quoted_service(scratch);
	if (!service || !is_dsr(service))
		return DROP(DROP_ICMP_NO_FLOW);
	if (scratch->pkt.ttl <= 1)
		return DROP(DROP_TTL);
	read_choice(ctx, scratch);
	tuple = &scratch->tuple;
	word = *(volatile const __u64 *)&service->table;
	scratch->choice.hash = hash_tuple(tuple, scratch->pkt.family, service->flags);
	slot = read_slot(word, scratch->choice.hash);
	if (slot < 0)
		return DROP(DROP_ICMP_NO_FLOW);
	scratch->choice.backend = slot_backend(word, slot);
	if (slot & SLOT_TRACKED)
		scratch->choice.backend = tracked_place(scratch, service, scratch->choice.backend);
	backend = bpf_map_lookup_elem(&backends, &scratch->choice.backend);
	if (!backend || backend->state == BACKEND_FREE)
		return DROP(DROP_ICMP_NO_FLOW);
	return send_dsr(ctx, scratch, backend, service->flags & SERVICE_F_MODE);
}
