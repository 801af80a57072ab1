/* SPDX-License-Identifier: GPL-2.0 */
/* Which clients a service has (loadBalancerSourceRanges): longest prefix match,
 * asked only for services that say so. */
#pragma once

#include "maps.h"
#include "packet.h"

static __noinline int is_in_source_ranges(const struct packet *pkt)
{
	struct source_range_key key;

	if (!pkt)
		return 0;
	key.prefix_length = 64 + (pkt->family == FAMILY_V6 ? 128 : 32);
	key.service = pkt->service;
	key.family = pkt->family;
	copy_address(key.addr, pkt->source);
	return bpf_map_lookup_elem(&source_ranges, &key) != NULL;
}

/* May the packet's client use the service, which is pkt->service? */
static __always_inline int has_client(const struct service *service, const struct packet *pkt)
{
	return likely(!(service->flags & SERVICE_F_SOURCES)) || is_in_source_ranges(pkt);
}
