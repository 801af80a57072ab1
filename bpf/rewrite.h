/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses, ports, TTL and both checksums of a packet, by difference. */
#pragma once

#include "packet.h"
#include "checksum.h"

struct rewrite {
	__u32 source;
	__u32 destination;
	__u32 ports;
	__u16 l3_delta;
	__u16 l4_delta;
};

static __always_inline int rewrite_packet(hook_ctx *ctx, const struct packet *pkt,
					  const struct headers *at, const struct rewrite *to)
{
	__u32 checksum_at = pkt->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
							   offsetof(struct udphdr, check);
	void *checksum = at->l4 + checksum_at;

	at->ip->ttl = pkt->ttl - 1;
	at->ip->check = checksum_update(at->ip->check, to->l3_delta);
	at->ip->saddr = to->source;
	at->ip->daddr = to->destination;
	*(__u32 *)at->l4 = to->ports;
	if (checksum + sizeof(__u16) > at->end)
		return DROP(DROP_TRUNCATED);
	if (hook_update_l4(ctx, checksum, pkt->l3_offset + pkt->l3_size + checksum_at,
			   pkt->protocol, to->l3_delta, to->l4_delta))
		return DROP(DROP_INTERNAL);
	return GO_ON;
}
