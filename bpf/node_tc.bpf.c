/* SPDX-License-Identifier: GPL-2.0 */
/* The node program on tc: what leaves the node, and what comes to it by a
 * device where native XDP can't be had. */
#include "write_tc.h"
#include "node_answer.h"
#include "node_deliver.h"

SEC("tc")
int node_out(struct __sk_buff *ctx)
{
	return answer_client(ctx);
}

SEC("tc")
int node_in_tc(struct __sk_buff *ctx)
{
	return deliver(ctx);
}

char _license[] SEC("license") = "GPL";
