/* SPDX-License-Identifier: GPL-2.0 */
/* What the agent sets before load, and asking it. */
#pragma once

#include "node_types.h"
#include "prefix.h"

const volatile struct node_config node_config = {};

static __always_inline int is_vip(const __u32 *address, __u32 family)
{
	if (family == FAMILY_V4)
		return in_prefixes4(node_config.vip4, node_config.vip4_count, MAX_VIP_RANGES,
				    address[0]);
	return in_prefixes6(node_config.vip6, node_config.vip6_count, MAX_VIP_RANGES, address);
}

/* May packets for VIPs come out of a tunnel from here? */
static __always_inline int is_lb_node(const __u32 *address, __u32 family)
{
	if (family == FAMILY_V4)
		return in_prefixes4(node_config.source4, node_config.source4_count,
				    MAX_NODE_SOURCES, address[0]);
	return in_prefixes6(node_config.source6, node_config.source6_count, MAX_NODE_SOURCES,
			    address);
}
