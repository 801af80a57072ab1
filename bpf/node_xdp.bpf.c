/* SPDX-License-Identifier: GPL-2.0 */
/* The node program on XDP: what comes to the node. Answers leave by tc. */
#include "write_xdp.h"
#include "node_deliver.h"

SEC("xdp")
int node_in_xdp(struct xdp_md *ctx)
{
	return deliver(ctx);
}

char _license[] SEC("license") = "GPL";
