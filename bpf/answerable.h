/* SPDX-License-Identifier: GPL-2.0 */
/* Whom a VIP answers: echo requests, and what is refused. */
#pragma once

#include "packet.h"

/* May a packet's source be answered at all? */
static __always_inline int is_answerable(const struct packet *pkt)
{
	__u32 source = bpf_ntohl(pkt->source[0]);

	if (pkt->family == FAMILY_V6)
		return source >> 24 != 0xff &&
		       (address_low(pkt->source) | (__u32)address_high(pkt->source) |
			(bpf_ntohl(pkt->source[3]) & ~1)) != 0;
	return source >> 24 != 0 && source >> 24 != 127 && source >> 29 != 7;
}
