/* SPDX-License-Identifier: GPL-2.0 */
/* Whether an address is in one of a list of prefixes in rodata. `most` is a
 * constant, the room of the list. Addresses as loaded from the wire. */
#pragma once

#include "config_types.h"

static __always_inline int in_prefixes4(const volatile struct prefix4 *list, __u32 count,
					const int most, __u32 address)
{
	for (int i = 0; i < most; i++) {
		if (i >= count)
			break;
		if ((address & list[i].mask) == list[i].network)
			return 1;
	}
	return 0;
}

static __always_inline int in_prefix6(const volatile struct prefix6 *prefix, const __u32 *address)
{
	return (address[0] & prefix->mask[0]) == prefix->network[0] &&
	       (address[1] & prefix->mask[1]) == prefix->network[1] &&
	       (address[2] & prefix->mask[2]) == prefix->network[2] &&
	       (address[3] & prefix->mask[3]) == prefix->network[3];
}

static __always_inline int in_prefixes6(const volatile struct prefix6 *list, __u32 count,
					const int most, const __u32 *address)
{
	for (int i = 0; i < most; i++) {
		if (i >= count)
			break;
		if (in_prefix6(&list[i], address))
			return 1;
	}
	return 0;
}
