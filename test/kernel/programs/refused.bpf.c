// SPDX-License-Identifier: GPL-2.0
/* Reads beyond the packet without asking, which the verifier refuses. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int refused(struct xdp_md *context)
{
	return *(int *)(long)context->data;
}

char LICENSE[] SEC("license") = "GPL";
