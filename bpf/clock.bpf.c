// SPDX-License-Identifier: GPL-2.0
/*
 * Returns the low 32 bits of jiffies, the clock of all timeouts. The agent
 * runs it twice, some time apart, to learn how many jiffies a second has; it
 * is never attached.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int read_clock(struct xdp_md *context)
{
	return (__u32)bpf_jiffies64();
}

char LICENSE[] SEC("license") = "GPL";
