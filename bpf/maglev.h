/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flow to backend by the service's Maglev table. The hash is two 64-bit
 * multiplications (the constants of MurmurHash3's finalizer) and a final
 * 32-bit one (Knuth's): with fewer, slots of neighbouring clients correlate.
 */
#pragma once

#include "maps.h"
#include "packet.h"

static __always_inline __u32 flow_hash(const struct packet *pkt)
{
	__u64 hash = ((__u64)pkt->source << 32 | pkt->ports) ^ config.hash_seed;

	hash *= 0xff51afd7ed558ccdull;
	hash ^= hash >> 32;
	hash += (__u64)pkt->destination << 32 | pkt->protocol;
	hash *= 0xc4ceb9fe1a85ec53ull;
	hash ^= hash >> 29;
	return (__u32)(hash >> 16) * 2654435761u;
}

/*
 * The backend for a new flow: GO_ON and its index, or why there is none. The
 * table word is read once, so the slot, the table's size and the block of
 * backends always belong together.
 */
static __always_inline int choose_backend(const struct packet *pkt, const struct service *service,
					  __u32 *backend)
{
	__u64 word = *(volatile const __u64 *)&service->table;
	__u32 class = (word >> TABLE_CLASS_SHIFT) & TABLE_CLASS_MASK;
	__u32 slot = ((__u64)flow_hash(pkt) * table_sizes[class]) >> 32;
	__u32 position = ((__u32)word & ((1u << TABLE_LINE_BITS) - 1)) + slot / SLOTS_PER_LINE;
	struct slot_line *line;

	if (!class)
		return DROP(DROP_NO_BACKEND);
	line = bpf_map_lookup_elem(&maglev_slots, &position);
	if (!line)
		return DROP(DROP_INTERNAL);
	*backend = ((word >> TABLE_BLOCK_SHIFT) & TABLE_BLOCK_MASK) +
		   (line->slot[slot % SLOTS_PER_LINE] & SLOT_BACKEND);
	return GO_ON;
}
