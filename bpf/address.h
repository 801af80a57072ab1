/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses of both families: four words as loaded from the wire, of which
 * IPv4 uses the first and leaves the others zero. */
#pragma once

#include "config.h"

#define MIX_FIRST 0xff51afd7ed558ccdull		/* MurmurHash3's finalizer */
#define MIX_SECOND 0xc4ceb9fe1a85ec53ull

static __always_inline __u64 address_low(const __u32 *address)
{
	return (__u64)address[1] << 32 | address[0];
}

static __always_inline __u64 address_high(const __u32 *address)
{
	return (__u64)address[3] << 32 | address[2];
}

static __always_inline void copy_address(__u32 *to, const __u32 *from)
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

/* Of the same family. */
static __always_inline int same_address(const __u32 *a, const __u32 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/* An IPv6 address in one word, for hashing where nobody chooses the address. */
static __always_inline __u32 address_word(const __u32 *address, __u32 family)
{
	__u64 mixed;

	if (family == FAMILY_V4)
		return address[0];
	mixed = (address_low(address) * MIX_FIRST) ^ address_high(address);
	return mixed ^ mixed >> 32;
}

/* Is it in one of the VIP ranges? An unused one holds every address: so how many
 * there are is asked before all but the first, and when that one holds it. */
static __always_inline int is_vip4(__u32 address)
{
#pragma unroll
	for (int i = 0; i < MAX_VIP_RANGES; i++) {
		if (i && i >= config.vip4_count)
			break;
		if ((address & config.vip4[i].mask) == config.vip4[i].network)
			return i || config.vip4_count;
	}
	return 0;
}

static __always_inline int is_vip6(const __u32 *address)
{
#pragma unroll
	for (int i = 0; i < MAX_VIP_RANGES; i++) {
		const volatile struct prefix6 *vip = &config.vip6[i];

		if (i >= config.vip6_count)
			break;
		if ((address[0] & vip->mask[0]) == vip->network[0] &&
		    (address[1] & vip->mask[1]) == vip->network[1] &&
		    (address[2] & vip->mask[2]) == vip->network[2] &&
		    (address[3] & vip->mask[3]) == vip->network[3])
			return 1;
	}
	return 0;
}

/* A SNAT address by its number among all of them, and whether it is the node's
 * own; number is -1 for an address that is none. */
struct snat_place {
	__s32 number;
	__u32 own;
};

static __always_inline struct snat_place find_snat4(__u32 address)
{
	__u32 host = bpf_ntohl(address);

#pragma unroll
	for (int i = 0; i < MAX_SNAT_RANGES; i++) {
		__u32 offset = host - config.snat4[i].first;

		if (i >= config.snat4_count)
			break;
		if (offset < config.snat4[i].count)
			return (struct snat_place){ config.snat4[i].first_index + offset,
						    config.snat4[i].own };
	}
	return (struct snat_place){ -1, 0 };
}

/* The same for the common packet, which needs the number only. */
static __always_inline int find_snat_number(__u32 address, __u32 *number)
{
	__u32 host = bpf_ntohl(address), offset;

#pragma unroll
	for (int i = 0; i < MAX_SNAT_RANGES; i++) {
		if (i && i >= config.snat4_count) /* without ranges, its count is 0 */
			break;
		offset = host - config.snat4[i].first;
		*number = config.snat4[i].first_index + offset;
		if (offset < config.snat4[i].count)
			return 1;
	}
	return 0;
}

static __always_inline struct snat_place find_snat6(const __u32 *address)
{
	__u32 host = bpf_ntohl(address[3]);

#pragma unroll
	for (int i = 0; i < MAX_SNAT_RANGES; i++) {
		const volatile struct snat_range6 *range = &config.snat6[i];

		if (i >= config.snat6_count)
			break;
		if (address[0] == range->prefix[0] && address[1] == range->prefix[1] &&
		    address[2] == range->prefix[2] && host - range->first < range->count)
			return (struct snat_place){ range->first_index + host - range->first,
						    range->own };
	}
	return (struct snat_place){ -1, 0 };
}

/* The SNAT address of this number; the same family as the pool's. */
static __always_inline void snat_address(__u32 number, __u32 family, __u32 *address)
{
	address[1] = address[2] = address[3] = 0;
#pragma unroll
	for (int i = 0; i < MAX_SNAT_RANGES; i++) {
		__u32 offset = number - config.snat4[i].first_index;

		if (family == FAMILY_V4 && i < config.snat4_count &&
		    offset < config.snat4[i].count)
			address[0] = bpf_htonl(config.snat4[i].first + offset);
	}
#pragma unroll
	for (int i = 0; i < MAX_SNAT_RANGES; i++) {
		const volatile struct snat_range6 *range = &config.snat6[i];
		__u32 offset = number - range->first_index;

		if (family == FAMILY_V6 && i < config.snat6_count && offset < range->count) {
			address[0] = range->prefix[0];
			address[1] = range->prefix[1];
			address[2] = range->prefix[2];
			address[3] = bpf_htonl(range->first + offset);
		}
	}
}
