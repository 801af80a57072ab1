/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets that do not fit their way: the sender is told what would fit. With an
 * outer header that is so whether DF is set or not, because few receivers put
 * fragments of a tunnel together; IPv6 packets that nobody may be asked to make
 * smaller are fragmented by the kernel, where that can be. Without one, in SNAT
 * mode, the kernel fragments what may be, as any router does.
 */
#pragma once

#include "encap.h"
#include "scratch.h"
#include "send_icmp.h"

/* A sent verdict, or DROP_TOO_BIG. mtu: the largest packet that would fit. */
static __noinline int answer_too_big(hook_ctx *ctx, const struct packet *pkt, __u32 mtu)
{
	struct icmp_error error = {
		.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED, .rest = mtu,
	};
	int result;

	if (!pkt || pkt->fragment == FRAGMENT_LATER || is_icmp(pkt) ||
	    pkt->l3_size + QUOTED_L4 > QUOTE_MOST || !is_answerable(pkt) ||
	    !take_answer_token(ANSWER_TOO_BIG, pkt->now))
		return DROP(DROP_TOO_BIG);
	if (pkt->family == FAMILY_V6) {
		error.type = ICMPV6_PKT_TOOBIG;
		error.code = 0;
	}
	result = send_icmp_error(ctx, pkt, &error);
	if (result > GO_ON) {
		count_event(EVENT_TOO_BIG_ANSWERED, pkt->length);
		count_drop(pkt, DROP_TOO_BIG);
	}
	return result;
}

/* The id of an outer header that may be fragmented: it differs from packet to
 * packet of a flow as the inner checksum does. Never 0. */
static __always_inline __u16 outer_id(const struct scratch *scratch)
{
	__u16 id = scratch->choice.hash ^ scratch->choice.checksum;

	return id ? id : 0xffff;
}

/*
 * Of a packet that with size bytes before it exceeds mtu: GO_ON if the outer
 * header, of IPv4, is to allow fragments, else what was done.
 */
static __always_inline int refuse_too_big(hook_ctx *ctx, const struct packet *pkt, __u32 size,
					  __u32 mtu, __u32 outer_family)
{
	__u32 fits = mtu - size;

	if (pkt->family == FAMILY_V6 && fits < LEAST_MTU_V6)
		fits = LEAST_MTU_V6;
	if (pkt->family == FAMILY_V4 || pkt->length > fits)
		return answer_too_big(ctx, pkt, fits);
	return size && outer_family == FAMILY_V4 ? GO_ON : DROP(DROP_TOO_BIG);
}

/* Bytes before the payload. */
static __always_inline __u32 header_bytes(hook_ctx *ctx, const struct packet *pkt)
{
	struct headers at;

	if (pkt->protocol != IPPROTO_TCP)
		return pkt->l3_size + sizeof(struct udphdr);
	find_headers(ctx, pkt, &at);
	return pkt->l3_size +
	       (at.l4 + sizeof(struct tcphdr) <= at.end ? tcp_size(at.l4) : sizeof(struct tcphdr));
}

/* Of a packet that is translated and then longer than mtu, the way's: GO_ON if
 * the kernel is to have it, else what was done. */
static __always_inline int refuse_translated(hook_ctx *ctx, const struct packet *pkt, __u32 mtu)
{
	if (pkt->family == FAMILY_V4 && !pkt->whole)
		return GO_ON;
	return refuse_too_big(ctx, pkt, 0, mtu, FAMILY_NONE);
}

/* Does it leave in packets that are longer than the way takes? Translation
 * changes no length; what is in one piece here may leave in segments. */
static __always_inline int is_too_long(hook_ctx *ctx, const struct packet *pkt,
				       const struct next_hop *hop)
{
	if (likely(!hop || pkt->length <= hop->mtu || !hop->mtu))
		return 0;
	return hook_wire_length(ctx, pkt->protocol, header_bytes(ctx, pkt), pkt->length, 0) >
	       hop->mtu;
}
