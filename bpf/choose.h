/* SPDX-License-Identifier: GPL-2.0 */
/* The service that a packet is for, and the backend of a flow without memory. */
#pragma once

#include "frontend.h"
#include "maglev.h"
#include "read_packet.h"
#include "source_ranges.h"

#define CHOSE_DSR (GO_ON + 2)

static __noinline int vip_in_use(const struct packet *pkt)
{
	struct frontend_key key;
	__u32 index;

	if (!pkt)
		return 0;
	frontend_of(pkt, 0, 0, &key);
	return find_service(&key, &index) != NULL;
}

/* The service of the packet's frontend; sets pkt->service when found. */
static __noinline struct service *service_of(struct packet *pkt)
{
	struct frontend_key key;

	if (!pkt)
		return NULL;
	frontend_of(pkt, destination_port(pkt), pkt->protocol, &key);
	return find_service(&key, &pkt->service);
}

static __always_inline int is_dsr(const struct service *service)
{
	return (service->flags & SERVICE_F_MODE) != MODE_SNAT;
}

static __always_inline __u32 hash_tuple(const struct flow_key6 *tuple, __u32 family, __u32 flags)
{
	__u32 ports = tuple->client_port | (__u32)tuple->vip_port << 16;

	if (family == FAMILY_V6)
		return flow_hash(tuple->client, tuple->vip, ports, tuple->protocol, FAMILY_V6,
				 flags);
	return flow_hash(tuple->client, tuple->vip, ports, tuple->protocol, FAMILY_V4, flags);
}

static __always_inline __u32 hash_packet(const struct packet *pkt, __u32 flags)
{
	if (pkt->family == FAMILY_V6)
		return flow_hash(pkt->source, pkt->destination, pkt->ports, pkt->protocol,
				 FAMILY_V6, flags);
	return flow_hash(pkt->source, pkt->destination, pkt->ports, pkt->protocol, FAMILY_V4,
			 flags);
}

/* The slot's backend for a flow of the service in SNAT mode. */
static __always_inline int choose_backend(const struct packet *pkt, const struct service *service,
					  __u32 *backend)
{
	__u64 word = *(volatile const __u64 *)&service->table;
	__s32 slot = read_slot(word, hash_packet(pkt, service->flags));

	if (slot < 0)
		return DROP(DROP_NO_BACKEND);
	*backend = slot_backend(word, slot);
	return GO_ON;
}

/* The service and the backend for a new flow; CHOSE_DSR if its packets need no
 * flow. */
static __always_inline int choose(struct packet *pkt, __u32 *backend)
{
	struct service *service = service_of(pkt);

	if (!service) {
		if (vip_in_use(pkt))
			return DROP(DROP_UNKNOWN_PORT);
		return DROP(DROP_UNKNOWN_VIP);
	}
	if (is_dsr(service))
		return CHOSE_DSR;
	if (!has_client(service, pkt))
		return DROP(DROP_SOURCE_RANGE);
	if (pkt->protocol == IPPROTO_TCP && !is_syn(pkt))
		return DROP(DROP_NO_FLOW);
	return choose_backend(pkt, service, backend);
}
