/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Says no aloud: a TCP RST, or an ICMP port unreachable for UDP, so that a
 * client need not wait for its timeout. Rate-limited per CPU.
 */
#pragma once

#include "send_icmp.h"

static __always_inline int is_rejectable(const struct packet *pkt, int reason)
{
	if (!((reason == DROP_UNKNOWN_PORT && config.reject_unknown_port) ||
	      (reason == DROP_NO_BACKEND && config.reject_no_backend) ||
	      (reason == DROP_NO_FLOW && config.reject_no_flow)))
		return 0;
	if (pkt->protocol == IPPROTO_TCP && (pkt->tcp_flags & TCP_RST))
		return 0;
	return !pkt->fragment && pkt->l3_size + QUOTED_L4 <= QUOTE_MOST && is_answerable(pkt);
}

/* Sequence numbers as RFC 9293, 3.10.7.1 says for a closed port. */
static __always_inline void write_rst(struct tcphdr *tcp, const struct packet *pkt, __u32 seq,
				      __u32 ack, __u32 segment, int partial)
{
	__u32 sum = pseudo_sum(pkt, IPPROTO_TCP, sizeof(*tcp));
	__u8 flags = TCP_RST;

	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = destination_port(pkt);
	tcp->dest = source_port(pkt);
	if (pkt->tcp_flags & TCP_ACK) {
		tcp->seq = ack;
	} else {
		segment += !!(pkt->tcp_flags & TCP_SYN) + !!(pkt->tcp_flags & TCP_FIN);
		tcp->ack_seq = bpf_htonl(bpf_ntohl(seq) + segment);
		flags |= TCP_ACK;
	}
	*((__u8 *)tcp + 12) = sizeof(*tcp) / 4 << 4;
	*((__u8 *)tcp + TCP_FLAGS_OFFSET) = flags;
	/* A partial one stays the kernel's to complete. */
	tcp->check = partial ? checksum_fold(sum) :
			       ~checksum_fold(sum + sum_words(tcp, sizeof(*tcp) / 2));
}

static __noinline int send_rst(hook_ctx *ctx, const struct packet *pkt)
{
	__u32 seq, ack, header;
	struct tcphdr *tcp;
	struct headers at;
	int partial;

	if (!pkt)
		return DROP(DROP_INTERNAL);
	partial = is_partial(ctx, pkt);
	find_headers(ctx, pkt, &at);
	tcp = at.l4;
	if ((void *)(tcp + 1) > at.end)
		return DROP(DROP_TRUNCATED);
	seq = tcp->seq;
	ack = tcp->ack_seq;
	header = tcp_size(tcp);
	if (pkt->l3_offset > LINK_MOST ||
	    hook_set_length(ctx, pkt->l3_offset + plain_ip_size(pkt) + sizeof(*tcp)) ||
	    swap_macs(ctx))
		return DROP(DROP_INTERNAL);
	tcp = write_answer_ip(ctx, pkt, IPPROTO_TCP, sizeof(*tcp));
	if (!tcp || (void *)(tcp + 1) > hook_end(ctx))
		return DROP(DROP_INTERNAL);
	write_rst(tcp, pkt, seq, ack, pkt->length - pkt->l3_size - header, partial);
	return hook_send(ctx, hook_ingress(ctx));
}

static __always_inline int send_unreachable(hook_ctx *ctx, const struct packet *pkt)
{
	struct icmp_error error = { .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH };

	if (pkt->family == FAMILY_V6) {
		error.type = ICMPV6_DEST_UNREACH;
		error.code = ICMPV6_PORT_UNREACH;
	}
	return send_icmp_error(ctx, pkt, &error);
}

/* A sent verdict, or why the packet is dropped in silence. */
static __noinline int reject(hook_ctx *ctx, const struct packet *pkt, int reason)
{
	int result;

	if (!pkt || !is_rejectable(pkt, reason))
		return DROP(reason);
	if (!take_answer_token(ANSWER_REJECT, pkt->now))
		return DROP(DROP_REJECT_LIMITED);
	result = pkt->protocol == IPPROTO_TCP ? send_rst(ctx, pkt) : send_unreachable(ctx, pkt);
	if (result > GO_ON) {
		count_event(EVENT_REJECTED, pkt->length);
		count_drop(pkt, reason);
	}
	return result;
}
