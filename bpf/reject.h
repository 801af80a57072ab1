/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Says no aloud: a TCP RST, or an ICMP port unreachable for UDP, so that a
 * client need not wait for its timeout. Rate-limited per CPU.
 */
#pragma once

#include "echo.h"

#define QUOTED_L4 8	/* bytes of the rejected packet behind its IP header */
#define ICMP_GROWTH (sizeof(struct iphdr) + sizeof(struct icmp_header))
#define QUOTE_MOST (60 + QUOTED_L4)
#define LINK_MOST (ETH_HLEN + 4 * VLAN_TAGS_MAX)

static __always_inline int is_rejectable(const struct packet *pkt, int reason)
{
	__u32 source = bpf_ntohl(pkt->source);

	if (!((reason == DROP_UNKNOWN_PORT && config.reject_unknown_port) ||
	      (reason == DROP_NO_BACKEND && config.reject_no_backend) ||
	      (reason == DROP_NO_FLOW && config.reject_no_flow)))
		return 0;
	if (pkt->protocol == IPPROTO_TCP && (pkt->tcp_flags & TCP_RST))
		return 0;
	return source >> 24 != 0 && source >> 24 != 127 && source >> 29 != 7;
}

/* A token bucket per CPU, filled once a jiffy, a second's worth deep. */
static __always_inline int take_reject_token(__u32 now)
{
	__u32 zero = 0, elapsed, filled;
	struct reject_budget *budget = bpf_map_lookup_elem(&reject_budgets, &zero);

	if (!budget)
		return 0;
	elapsed = now - budget->refilled;
	filled = elapsed >= config.hz ? config.reject_per_second :
					(__u64)elapsed * config.reject_per_second / config.hz;
	if (filled) {
		budget->refilled = now;
		budget->tokens += filled;
		if (budget->tokens > config.reject_per_second)
			budget->tokens = config.reject_per_second;
	}
	if (!budget->tokens)
		return 0;
	budget->tokens--;
	return 1;
}

static __always_inline __u16 header_checksum(const void *header, int words)
{
	const __u16 *word = header;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < words; i++)
		sum += word[i];
	return ~checksum_fold(sum);
}

static __always_inline void write_answer_ip(struct iphdr *ip, const struct packet *pkt,
					    __u8 protocol, __u16 length)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = bpf_htons(length);
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = ANSWER_TTL;
	ip->protocol = protocol;
	ip->saddr = pkt->destination;
	ip->daddr = pkt->source;
	ip->check = header_checksum(ip, sizeof(*ip) / 2);
}

/* Sequence numbers as RFC 9293, 3.10.7.1 says for a closed port. */
static __always_inline void write_rst(struct tcphdr *tcp, const struct packet *pkt, __u32 seq,
				      __u32 ack, __u32 segment)
{
	__u8 flags = TCP_RST;
	__u32 sum;

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
	sum = checksum_diff(0, pkt->source) + checksum_diff(0, pkt->destination) +
	      bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(*tcp));
	tcp->check = checksum_apply(header_checksum(tcp, sizeof(*tcp) / 2), sum);
}

static __noinline int send_rst(hook_ctx *ctx, const struct packet *pkt)
{
	__u32 l3 = pkt->l3_offset, l4 = l3 + pkt->l3_size, seq, ack, header;
	void *data = hook_data(ctx);
	struct tcphdr *tcp = data + l4;

	if ((void *)(tcp + 1) > hook_end(ctx))
		return DROP(DROP_TRUNCATED);
	seq = tcp->seq;
	ack = tcp->ack_seq;
	header = (*((__u8 *)tcp + 12) >> 4) * 4;
	if (hook_set_length(ctx, l3 + sizeof(struct iphdr) + sizeof(*tcp)))
		return DROP(DROP_INTERNAL);
	data = hook_data(ctx);
	if (l3 > LINK_MOST || data + l3 + sizeof(struct iphdr) + sizeof(*tcp) > hook_end(ctx) ||
	    swap_macs(ctx))
		return DROP(DROP_INTERNAL);
	write_answer_ip(data + l3, pkt, IPPROTO_TCP, sizeof(struct iphdr) + sizeof(*tcp));
	write_rst(data + l3 + sizeof(struct iphdr), pkt, seq, ack,
		  pkt->length - pkt->l3_size - header);
	return hook_send(ctx, hook_ingress(ctx));
}

/* Sums the ICMP header and the quote behind it, which is all of an even
 * number of bytes. */
static __always_inline __u16 icmp_checksum(const __u16 *word, const void *end, __u32 bytes)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < (sizeof(struct icmp_header) + QUOTE_MOST) / 2; i++) {
		if (2 * i >= bytes || (void *)(word + i + 1) > end)
			break;
		sum += word[i];
	}
	return ~checksum_fold(sum);
}

/* Makes room behind the link layer, whose bytes move to the new start. */
static __always_inline int open_gap(hook_ctx *ctx, __u32 l3)
{
	__u8 link[LINK_MOST], *data;

	data = hook_data(ctx);
	if (data + LINK_MOST > (__u8 *)hook_end(ctx))
		return -1;
	__builtin_memcpy(link, data, LINK_MOST);
	if (hook_grow_head(ctx, ICMP_GROWTH))
		return -1;
	data = hook_data(ctx);
	if (data + LINK_MOST > (__u8 *)hook_end(ctx))
		return -1;
	__builtin_memcpy(data, link, ETH_HLEN);
	if (l3 >= ETH_HLEN + 4)
		__builtin_memcpy(data + ETH_HLEN, link + ETH_HLEN, 4);
	if (l3 >= ETH_HLEN + 8)
		__builtin_memcpy(data + ETH_HLEN + 4, link + ETH_HLEN + 4, 4);
	return 0;
}

static __noinline int send_unreachable(hook_ctx *ctx, const struct packet *pkt)
{
	__u32 l3 = pkt->l3_offset, quote = pkt->l3_size + QUOTED_L4;
	struct icmp_header *icmp;
	void *data;

	if (l3 > LINK_MOST || quote > QUOTE_MOST ||
	    hook_set_length(ctx, l3 + quote) || open_gap(ctx, l3))
		return DROP(DROP_INTERNAL);
	data = hook_data(ctx);
	if (data + l3 + ICMP_GROWTH > hook_end(ctx) || swap_macs(ctx))
		return DROP(DROP_INTERNAL);
	icmp = data + l3 + sizeof(struct iphdr);
	write_answer_ip(data + l3, pkt, IPPROTO_ICMP, ICMP_GROWTH + quote);
	__builtin_memset(icmp, 0, sizeof(*icmp));
	icmp->type = ICMP_DEST_UNREACH;
	icmp->code = ICMP_PORT_UNREACH;
	icmp->checksum = icmp_checksum((void *)icmp, hook_end(ctx), sizeof(*icmp) + quote);
	return hook_send(ctx, hook_ingress(ctx));
}

/* A sent verdict, or why the packet is dropped in silence. */
static __noinline int reject(hook_ctx *ctx, const struct packet *pkt, int reason)
{
	int result;

	if (!is_rejectable(pkt, reason))
		return DROP(reason);
	if (!take_reject_token(pkt->now))
		return DROP(DROP_REJECT_LIMITED);
	result = pkt->protocol == IPPROTO_TCP ? send_rst(ctx, pkt) : send_unreachable(ctx, pkt);
	if (result > GO_ON) {
		count_event(EVENT_REJECTED, pkt->length);
		count_drop(pkt, reason);
	}
	return result;
}
