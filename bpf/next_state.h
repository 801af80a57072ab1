/* SPDX-License-Identifier: GPL-2.0 */
/* How packets of both directions move a flow's state. */
#pragma once

#include "packet.h"

/* The state after a packet of this direction with these flags. */
static __always_inline __u8 next_state(__u8 state, const struct packet *pkt, int from_client)
{
	__u8 mine = from_client ? FLOW_FIN_CLIENT : FLOW_FIN_BACKEND;
	__u8 others = from_client ? FLOW_FIN_BACKEND : FLOW_FIN_CLIENT;

	if (pkt->protocol == IPPROTO_UDP)
		return state == FLOW_UDP && !from_client ? FLOW_UDP_REPLIED : state;
	if (pkt->tcp_flags & TCP_RST)
		return FLOW_CLOSED;
	if (state == FLOW_SYN && from_client && !(pkt->tcp_flags & TCP_SYN))
		state = FLOW_ESTABLISHED;
	if (!(pkt->tcp_flags & TCP_FIN))
		return state;
	if (state == others)
		return FLOW_CLOSED;
	return state == FLOW_ESTABLISHED || state == FLOW_SYN ? mine : state;
}
