/* SPDX-License-Identifier: GPL-2.0 */
/* Answers an echo request to a VIP that is in use, in place. */
#pragma once

#include "answerable.h"
#include "choose.h"
#include "checksum.h"
#include "counters.h"

#define ANSWER_TTL 64

#define ICMP_ECHOREPLY 0
#define ICMP_ECHO 8
#define ICMPV6_ECHO 128
#define ICMPV6_ECHOREPLY 129

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

/* Swapping addresses leaves every sum as it is; the TTL does not. */
static __always_inline void turn_ipv4(struct iphdr *ip, const struct packet *pkt)
{
	ip->saddr = pkt->destination[0];
	ip->daddr = pkt->source[0];
	ip->check = checksum_apply(ip->check, checksum_diff(pkt->ttl, ANSWER_TTL));
	ip->ttl = ANSWER_TTL;
}

static __always_inline void turn_ipv6(struct ipv6hdr *ip, const struct packet *pkt)
{
	copy_address(ip->saddr.in6_u.u6_addr32, pkt->destination);
	copy_address(ip->daddr.in6_u.u6_addr32, pkt->source);
	ip->hop_limit = ANSWER_TTL;
}

static __always_inline int turn_echo(hook_ctx *ctx, const struct packet *pkt)
{
	__u8 request = pkt->family == FAMILY_V6 ? ICMPV6_ECHO : ICMP_ECHO;
	__u8 reply = pkt->family == FAMILY_V6 ? ICMPV6_ECHOREPLY : ICMP_ECHOREPLY;
	struct icmp_header *icmp;
	struct headers at;

	find_headers(ctx, pkt, &at);
	icmp = at.l4;
	if (pkt->fragment != FRAGMENT_LATER) {
		if ((void *)(icmp + 1) > at.end)
			return -1;
		icmp->checksum = checksum_apply(icmp->checksum, checksum_diff(request, reply));
		/* Of nothing but zeroes 0 would be wrong, and this is right of all
		 * else that sums up to the same. */
		if (!icmp->checksum)
			icmp->checksum = 0xffff;
		icmp->type = reply;
	}
	if (pkt->family == FAMILY_V6 && at.ip + sizeof(struct ipv6hdr) <= at.end)
		turn_ipv6(at.ip, pkt);
	else if (at.ip + sizeof(struct iphdr) <= at.end)
		turn_ipv4(at.ip, pkt);
	return swap_macs(ctx);
}

/* Type and code are where others have the source port. */
static __always_inline int is_echo(const struct packet *pkt)
{
	return source_port(pkt) ==
	       bpf_htons((pkt->family == FAMILY_V6 ? ICMPV6_ECHO : ICMP_ECHO) << 8);
}

static __noinline int answer_echo(hook_ctx *ctx, const struct packet *pkt)
{
	if (!pkt)
		return DROP(DROP_INTERNAL);
	if (!vip_in_use(pkt))
		return DROP(DROP_UNKNOWN_VIP);
	if (!config.answer_echo || !is_answerable(pkt))
		return DROP(DROP_ICMP);
	if (turn_echo(ctx, pkt))
		return DROP(DROP_INTERNAL);
	count_event(EVENT_ECHO_ANSWERED, pkt->length);
	return hook_send(ctx, hook_ingress(ctx));
}
