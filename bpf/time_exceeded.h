/* SPDX-License-Identifier: GPL-2.0 */
/* Says that a packet's time is over, which is how traceroute sees a hop. */
#pragma once

#include "send_icmp.h"

/* A sent verdict, or why the packet is dropped in silence. Nothing is said
 * about ICMP, later fragments, or answers. */
static __noinline int answer_ttl(hook_ctx *ctx, const struct packet *pkt)
{
	struct icmp_error error = { .type = ICMP_TIME_EXCEEDED };
	int result;

	if (!pkt || !config.answer_ttl || pkt->role != ROLE_TO_VIP || is_icmp(pkt) ||
	    pkt->fragment == FRAGMENT_LATER || !is_answerable(pkt) ||
	    pkt->l3_size + QUOTED_L4 > QUOTE_MOST ||
	    !take_answer_token(ANSWER_TIME_EXCEEDED, pkt->now))
		return DROP(DROP_TTL);
	if (pkt->family == FAMILY_V6)
		error.type = ICMPV6_TIME_EXCEED;
	result = send_icmp_error(ctx, pkt, &error);
	if (result > GO_ON) {
		count_event(EVENT_TTL_ANSWERED, pkt->length);
		count_drop(pkt, DROP_TTL);
	}
	return result;
}
