/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frontend to service: a table of one-cache-line buckets in an array, which
 * saves the cost of a kernel hash map. The tag finds the candidate, the key
 * in the service entry decides.
 */
#pragma once

#include "maps.h"
#include "packet.h"

static __always_inline int is_frontend(const struct service *service, __u32 vip, __u16 port,
				       __u8 protocol)
{
	return service->key.addr[0] == vip && service->key.port == port &&
	       service->key.protocol == protocol && service->key.family == FAMILY_V4;
}

static __always_inline struct service *find_overflowed(__u32 vip, __u32 port, __u32 protocol,
						  __u32 *index)
{
	struct frontend_key key = {
		.addr = { vip }, .port = port, .protocol = protocol, .family = FAMILY_V4,
	};
	__u32 *found = bpf_map_lookup_elem(&frontend_overflow, &key);
	struct service *service;

	if (!found)
		return NULL;
	*index = *found;
	service = bpf_map_lookup_elem(&services, found);
	return service && is_frontend(service, vip, port, protocol) ? service : NULL;
}

/* Port and protocol 0 ask for the VIP itself. Sets *index when found. */
static __noinline struct service *find_service(__u32 vip, __u16 port, __u8 protocol, __u32 *index)
{
	__u64 hash = ((__u64)vip | (__u64)port << 32 | (__u64)protocol << 48 |
		      (__u64)FAMILY_V4 << 56) * 0x9E3779B97F4A7C15ull;
	struct frontend_bucket *bucket;
	__u32 tag, position;

	if (!index)
		return NULL;
	hash ^= hash >> 32;
	tag = hash >> 32;
	position = (__u32)hash & config.bucket_mask;
	bucket = bpf_map_lookup_elem(&frontends, &position);
	if (!bucket)
		return NULL;
#pragma unroll
	for (int i = 0; i < FRONTENDS_PER_BUCKET; i++) {
		__u64 slot = *(volatile __u64 *)&bucket->slot[i];
		struct service *service;
		__u32 candidate = slot;

		if ((__u32)(slot >> 32) != tag || !candidate)
			continue;
		service = bpf_map_lookup_elem(&services, &candidate);
		if (service && is_frontend(service, vip, port, protocol)) {
			*index = candidate;
			return service;
		}
	}
	if (likely(!(bucket->flags & BUCKET_OVERFLOWED)))
		return NULL;
	return find_overflowed(vip, port, protocol, index);
}

static __always_inline int vip_in_use(__u32 vip)
{
	__u32 index;

	return find_service(vip, 0, 0, &index) != NULL;
}
