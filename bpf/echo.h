/* SPDX-License-Identifier: GPL-2.0 */
/* Answers an echo request to a VIP that is in use, in place. */
#pragma once

#include "frontend.h"
#include "checksum.h"
#include "counters.h"

#define ANSWER_TTL 64

static __always_inline int swap_macs(hook_ctx *ctx)
{
	struct ethhdr *eth = hook_data(ctx);
	__u8 mac[ETH_ALEN];

	if ((void *)(eth + 1) > hook_end(ctx))
		return -1;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return 0;
}

static __always_inline int turn_echo(hook_ctx *ctx, const struct packet *pkt,
				     const struct headers *at)
{
	struct icmp_header *icmp = at->l4;
	struct iphdr *ip = at->ip;

	ip->saddr = pkt->destination;
	ip->daddr = pkt->source;
	/* Swapping addresses leaves the sum as it is; the TTL does not. */
	ip->check = checksum_apply(ip->check, checksum_diff(pkt->ttl, ANSWER_TTL));
	ip->ttl = ANSWER_TTL;
	icmp->checksum = checksum_apply(icmp->checksum,
					checksum_diff(ICMP_ECHO, ICMP_ECHOREPLY));
	/* Of nothing but zeroes 0 would be wrong, and this is right of all else
	 * that sums up to the same. */
	if (!icmp->checksum)
		icmp->checksum = 0xffff;
	icmp->type = ICMP_ECHOREPLY;
	return swap_macs(ctx);
}

static __always_inline int answer_icmp(hook_ctx *ctx, const struct packet *pkt,
				       const struct headers *at)
{
	struct icmp_header *icmp = at->l4;

	if (pkt->role != ROLE_TO_VIP || icmp->type != ICMP_ECHO || icmp->code != 0)
		return DROP(DROP_ICMP);
	if (!vip_in_use(pkt->destination))
		return DROP(DROP_UNKNOWN_VIP);
	if (!config.answer_echo)
		return DROP(DROP_ICMP);
	if (turn_echo(ctx, pkt, at))
		return DROP(DROP_INTERNAL);
	count_event(EVENT_ECHO_ANSWERED, pkt->length);
	return hook_send(ctx, hook_ingress(ctx));
}
