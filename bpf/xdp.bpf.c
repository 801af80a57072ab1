/* SPDX-License-Identifier: GPL-2.0 */
/* The lb program on XDP. */
#include "hook_xdp.h"
#include "pipeline.h"

SEC("xdp")
int lb_xdp(struct xdp_md *ctx)
{
	return balance(ctx);
}

char _license[] SEC("license") = "GPL";
