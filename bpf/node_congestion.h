/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A router on the tunnel's way marks the outer header (ECN). The pod has to
 * learn of it, or it goes on as fast as before: RFC 6040, 4.2.
 */
#pragma once

#include "node_tunnel.h"

/* Of the packet at the offset, which was in the tunnel. One whose ends do not
 * know such marks is dropped, as a router would have done. */
static __noinline int mark_congested(hook_ctx *ctx, __u32 offset, __u32 family)
{
	const __u32 bits = family == FAMILY_V4 ? ECN_CONGESTED << 8 : ECN_CONGESTED << 12;
	__u16 *head, old, marked;
	int failed;

	offset &= WRITE_MOST;
	head = hook_data(ctx) + offset;
	if ((void *)(head + 1) > hook_end(ctx))
		return DROP(DROP_INTERNAL);
	old = *head;
	marked = old | bits;
	if (!(old & bits))
		return DROP(NODE_DROP_CONGESTED);
	if (family == FAMILY_V4) {
		failed = write_half(ctx, offset, marked, 1);
		failed |= write_checksum(ctx, offset + offsetof(struct iphdr, check),
					 checksum_diff(old, marked));
	} else {
		failed = write_half(ctx, offset, marked, 0);
	}
	return failed ? DROP(DROP_INTERNAL) : GO_ON;
}
