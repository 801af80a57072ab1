/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frontend to service: a table of one-cache-line buckets in an array, which
 * saves the cost of a kernel hash map. The tag finds the candidate, the key
 * in the service entry decides.
 */
#pragma once

#include "address.h"
#include "maps.h"
#include "verdict.h"

static __always_inline int is_frontend(const struct service *service,
				       const struct frontend_key *key, const __u32 family)
{
	if (*(__u32 *)&service->key.port != *(__u32 *)&key->port ||
	    service->key.addr[0] != key->addr[0])
		return 0;
	return family == FAMILY_V4 || (service->key.addr[1] == key->addr[1] &&
				       service->key.addr[2] == key->addr[2] &&
				       service->key.addr[3] == key->addr[3]);
}

static __noinline struct service *find_overflowed(const struct frontend_key *key, __u32 *index)
{
	__u32 *found;

	if (!key || !index)
		return NULL;
	found = bpf_map_lookup_elem(&frontend_overflow, key);
	if (!found)
		return NULL;
	*index = *found;
	return bpf_map_lookup_elem(&services, found);
}

/* The service of a frontend, and its index; port and protocol 0 ask for the
 * VIP itself. The family is the key's. */
static __always_inline struct service *look_up_service(const struct frontend_key *key,
						       const __u32 family, __u32 *index)
{
	__u64 hash = ((__u64)address_word(key->addr, family) | (__u64)key->port << 32 |
		      (__u64)key->protocol << 48 | (__u64)family << 56) * 0x9E3779B97F4A7C15ull;
	struct frontend_bucket *bucket;
	__u32 tag, position;

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
		if (service && is_frontend(service, key, family)) {
			*index = candidate;
			return service;
		}
	}
	if (likely(!(bucket->flags & BUCKET_OVERFLOWED)))
		return NULL;
	return find_overflowed(key, index);
}

static __noinline struct service *find_service(const struct frontend_key *key, __u32 *index)
{
	if (!key || !index)
		return NULL;
	if (key->family == FAMILY_V6)
		return look_up_service(key, FAMILY_V6, index);
	return look_up_service(key, FAMILY_V4, index);
}
