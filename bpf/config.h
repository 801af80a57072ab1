/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the agent sets before load. The verifier knows these values, so code
 * behind an option that is off does not exist in the loaded program.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "types.h"

const volatile struct lb_config config = {};

/* Slots of a Maglev table by size class; primes, see the Maglev paper, 3.4. */
const __u32 table_sizes[16] = { 0, 251, 1021, 4099, 16381, 65537, 131071 };

/* The low 32 bits of the clock that every age here is computed with. It is
 * inlined, and goes on when the agent is gone. */
static __always_inline __u32 clock_now(void)
{
	return (__u32)bpf_jiffies64();
}
