/* SPDX-License-Identifier: GPL-2.0 */
/* What syn-flood.c tells its BPF programs before they are loaded. */
#pragma once

struct flood_settings {
	__u8 router_mac[6], lb_mac[6];
	/* Network order. */
	__u32 vip, watched;
	__u16 port;
};
