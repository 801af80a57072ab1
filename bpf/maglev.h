/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flow to backend by the service's Maglev table. The hash is two 64-bit
 * multiplications (the constants of MurmurHash3's finalizer) and a final
 * 32-bit one (Knuth's): with fewer, slots of neighbouring clients correlate.
 */
#pragma once

#include "address.h"
#include "maps.h"
#include "verdict.h"

/* Words as loaded from the wire; ports: the source port in the low half. */
static __always_inline __u32 hash_words(__u32 client, __u32 vip, __u32 ports, __u32 protocol)
{
	__u64 hash = ((__u64)client << 32 | ports) ^ config.hash_seed;

	hash *= MIX_FIRST;
	hash ^= hash >> 32;
	hash += (__u64)vip << 32 | protocol;
	hash *= MIX_SECOND;
	hash ^= hash >> 29;
	return (__u32)(hash >> 16) * 2654435761u;
}

/* An IPv6 client in one word; it may choose its address, so the seed is in. */
static __always_inline __u32 fold_client(const __u32 *client)
{
	__u64 hash = (address_low(client) ^ config.hash_seed) * MIX_FIRST;

	hash ^= hash >> 32;
	hash += address_high(client);
	hash *= MIX_SECOND;
	hash ^= hash >> 29;
	return hash >> 16;
}

/* The hash that a service's flags ask for, of a flow from client to VIP. */
static __always_inline __u32 flow_hash(const __u32 *client, const __u32 *vip, __u32 ports,
				       __u32 protocol, const __u32 family, __u32 flags)
{
	__u32 from = family == FAMILY_V4 ? client[0] : fold_client(client);
	__u32 to = family == FAMILY_V4 ? vip[0] : vip[0] ^ vip[1] ^ vip[2] ^ vip[3];

	if (unlikely(flags & (SERVICE_F_AFFINITY | SERVICE_F_HASH3))) {
		if (flags & SERVICE_F_AFFINITY)
			return hash_words(from, 0, 0, 0);
		ports = 0;
	}
	return hash_words(from, to, ports, protocol);
}

/* What a table has for a hash: the slot, or -1 when there is no table. The word
 * is read once, so slot, size and block of backends belong together. */
static __always_inline __s32 read_slot(__u64 word, __u32 hash)
{
	__u32 class = (word >> TABLE_CLASS_SHIFT) & TABLE_CLASS_MASK;
	__u32 slot = ((__u64)hash * table_sizes[class]) >> 32;
	__u32 position = ((__u32)word & ((1u << TABLE_LINE_BITS) - 1)) + slot / SLOTS_PER_LINE;
	struct slot_line *line;

	if (!class)
		return -1;
	line = bpf_map_lookup_elem(&maglev_slots, &position);
	if (!line)
		return -1;
	return line->slot[slot % SLOTS_PER_LINE];
}

/* Index of the backend that a slot of the table names. */
static __always_inline __u32 slot_backend(__u64 word, __u32 slot)
{
	return ((word >> TABLE_BLOCK_SHIFT) & TABLE_BLOCK_MASK) + (slot & SLOT_BACKEND);
}
