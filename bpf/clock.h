/* SPDX-License-Identifier: GPL-2.0 */
/* Jiffies, the clock of all timeouts. */
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* The low 32 bits of the clock that every age here is computed with. It is
 * inlined, and goes on when the agent is gone. */
static __always_inline __u32 clock_now(void)
{
	return (__u32)bpf_jiffies64();
}
