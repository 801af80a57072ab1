/* SPDX-License-Identifier: GPL-2.0 */
/* The lb program on tc, for devices where native XDP can't be had. */
#include "hook_tc.h"
#include "pipeline.h"

SEC("tc")
int lb_tc(struct __sk_buff *ctx)
{
	return balance(ctx);
}

char _license[] SEC("license") = "GPL";
