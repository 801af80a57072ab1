/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Internet checksums by difference (RFC 1624). A delta is the one's
 * complement sum of ~old and new; its complement undoes it. Everything works
 * on values as loaded from the wire, which the sum allows (RFC 1071, 2B).
 */
#pragma once

#include <linux/types.h>

/* A TTL less 1. It is the upper byte of its 16-bit word on the wire, the lower
 * as loaded here. */
#define TTL_LESS_ONE_DELTA 0xfffe
#define HOP_LIMIT_LESS_ONE_DELTA 0xfeff	/* the other byte of its word */

static __always_inline __u16 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Unfolded difference of one 32-bit word. */
static __always_inline __u32 checksum_diff(__u32 old, __u32 new)
{
	return (__u16)~old + (__u16)(~old >> 16) + (__u16)new + (new >> 16);
}

/* Unfolded difference of an address of four words. */
static __always_inline __u32 address_diff(const __u32 *old, const __u32 *new)
{
	return checksum_diff(old[0], new[0]) + checksum_diff(old[1], new[1]) +
	       checksum_diff(old[2], new[2]) + checksum_diff(old[3], new[3]);
}

static __always_inline __u16 checksum_apply(__u16 checksum, __u32 delta)
{
	return ~checksum_fold((__u16)~checksum + delta);
}

/* The same for a folded delta, with less: ~(~checksum + delta) is checksum -
 * delta, and the carry of the one sum is the borrow of the other. */
static __always_inline __u16 checksum_update(__u16 checksum, __u16 delta)
{
	__s32 difference = checksum - delta;

	return difference + (difference >> 16);
}

/* An IPv4 header's word {TTL, protocol, checksum} with a TTL less 1: the
 * checksum is one more, and skips 0xffff, as RFC 1624 has it. */
static __always_inline __u32 ttl_less_one(__u32 word)
{
	__u64 carry = ((__u64)word + 0x20000) >> 32;

	return word + 0xffff + (__u32)(carry << 16);
}
