/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ICMP errors from a VIP, and what every answer of the VIP's own has in
 * common: a rate limit, and an IP header from the VIP back to the sender.
 */
#pragma once

#include "echo.h"
#include "quote.h"
#include "verified_once.h"

#define QUOTED_L4 8	/* bytes of the packet behind its IP header */
#define QUOTE_MOST (60 + QUOTED_L4)

/* An ICMP error to send: type and code of the packet's family, and the word
 * behind the checksum in host order. */
struct icmp_error {
	__u8 type;
	__u8 code;
	__u16 reserved;		/* no padding: see verified_once.h */
	__u32 rest;
};

/* A token bucket per kind of answer and CPU, filled once a jiffy, a second's worth deep. */
static __always_inline int take_answer_token(__u32 kind, __u32 now)
{
	struct answer_budget *budget = bpf_map_lookup_elem(&answer_budgets, &kind);
	__u32 elapsed, filled;

	if (!budget)
		return 0;
	elapsed = now - budget->refilled;
	filled = elapsed >= config.hz || !budget->refilled ? config.reject_per_second :
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

static __always_inline __u32 sum_words(const void *header, int words)
{
	const __u16 *word = header;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < words; i++)
		sum += word[i];
	return sum;
}

static __always_inline __u32 address_sum(const __u32 *address)
{
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += (__u16)address[i] + (address[i] >> 16);
	return sum;
}

/* The sum of a pseudo header between the packet's addresses. */
static __always_inline __u32 pseudo_sum(const struct packet *pkt, __u8 protocol, __u16 length)
{
	return address_sum(pkt->source) + address_sum(pkt->destination) + bpf_htons(protocol) +
	       bpf_htons(length);
}

static __always_inline void write_ipv4(struct iphdr *ip, const struct packet *pkt, __u8 protocol,
				       __u16 payload)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	*(__u8 *)ip = 0x45;
	ip->tot_len = bpf_htons(sizeof(*ip) + payload);
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = ANSWER_TTL;
	ip->protocol = protocol;
	ip->saddr = pkt->destination[0];
	ip->daddr = pkt->source[0];
	ip->check = ~checksum_fold(sum_words(ip, sizeof(*ip) / 2));
}

static __always_inline void write_ipv6(struct ipv6hdr *ip, const struct packet *pkt, __u8 protocol,
				       __u16 payload)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	*(__u8 *)ip = 0x60;
	ip->payload_len = bpf_htons(payload);
	ip->nexthdr = protocol;
	ip->hop_limit = ANSWER_TTL;
	copy_address(ip->saddr.in6_u.u6_addr32, pkt->destination);
	copy_address(ip->daddr.in6_u.u6_addr32, pkt->source);
}

static __always_inline __u32 plain_ip_size(const struct packet *pkt)
{
	return pkt->family == FAMILY_V6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

/* The IP header of an answer, at the packet's own place; what is behind it, or
 * NULL. */
static __always_inline void *write_answer_ip(hook_ctx *ctx, const struct packet *pkt,
					     __u8 protocol, __u16 payload)
{
	void *ip = hook_data(ctx) + pkt->l3_offset, *end = hook_end(ctx);

	if (pkt->family == FAMILY_V6) {
		if (ip + sizeof(struct ipv6hdr) > end)
			return NULL;
		write_ipv6(ip, pkt, protocol, payload);
		return ip + sizeof(struct ipv6hdr);
	}
	if (ip + sizeof(struct iphdr) > end)
		return NULL;
	write_ipv4(ip, pkt, protocol, payload);
	return ip + sizeof(struct iphdr);
}

/* Sums the ICMP header and the quote behind it, which is all of an even
 * number of bytes. */
static __always_inline __u32 sum_quote(const __u16 *word, const void *end, __u32 bytes)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < (sizeof(struct icmp_header) + QUOTE_MOST) / 2; i++) {
		if (2 * i >= bytes || (void *)(word + i + 1) > end)
			break;
		sum += word[i];
	}
	return sum;
}

/* Makes room behind the link layer, whose bytes move to the new start. */
static __always_inline int open_gap(hook_ctx *ctx, __u32 l3, __u32 growth)
{
	__u8 link[LINK_MOST], *data;

	data = hook_data(ctx);
	if (data + LINK_MOST > (__u8 *)hook_end(ctx))
		return -1;
	__builtin_memcpy(link, data, LINK_MOST);
	if (hook_grow_head(ctx, growth))
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

/* Is the packet's L4 checksum left to the kernel, which completes it when the
 * frame leaves, from where L4 begins to the end? It holds the pseudo header's sum. */
static __always_inline int is_partial(hook_ctx *ctx, const struct packet *pkt)
{
	struct headers at;
	__u16 *check;

	if (!hook_may_be_partial() || pkt->fragment || is_icmp(pkt))
		return 0;
	find_headers(ctx, pkt, &at);
	check = at.l4 + (pkt->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
							offsetof(struct udphdr, check));
	return (void *)(check + 1) <= at.end &&
	       *check == checksum_fold(pseudo_sum(pkt, pkt->protocol, pkt->length - pkt->l3_size));
}

/* Of a partial one the kernel completes a checksum inside the quote: the quoted
 * L4 header, of which it must be able to reach the checksum, then sums up to
 * the complement of what the checksum is now. */
static __always_inline __u32 sum_partial(const struct packet *pkt, const struct icmp_header *icmp,
					 const void *end)
{
	return sum_quote((void *)icmp, end, sizeof(*icmp) + pkt->l3_size) +
	       (__u16)~checksum_fold(pseudo_sum(pkt, pkt->protocol, pkt->length - pkt->l3_size));
}

/* Turns the packet into an ICMP error about itself, from its destination to
 * its source, out of the device it came in by: a sent verdict, or the drop
 * reason that nothing could be sent for. */
VERIFIED_ONCE int send_icmp_error(hook_ctx *ctx, const struct packet *pkt,
				  const struct icmp_error *error)
{
	__u32 quote, payload, sum;
	struct icmp_header *icmp;
	int partial;

	if (!pkt || !error)
		return DROP(DROP_INTERNAL);
	partial = is_partial(ctx, pkt);
	quote = pkt->l3_size + (partial && pkt->protocol == IPPROTO_TCP ? sizeof(struct tcphdr) :
									  QUOTED_L4);
	payload = sizeof(*icmp) + quote;
	if (pkt->l3_offset > LINK_MOST || quote > QUOTE_MOST ||
	    hook_set_length(ctx, pkt->l3_offset + quote) ||
	    open_gap(ctx, pkt->l3_offset, plain_ip_size(pkt) + sizeof(*icmp)) || swap_macs(ctx))
		return DROP(DROP_INTERNAL);
	icmp = write_answer_ip(ctx, pkt, pkt->family == FAMILY_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			       payload);
	if (!icmp || (void *)(icmp + 1) > hook_end(ctx))
		return DROP(DROP_INTERNAL);
	icmp->type = error->type;
	icmp->code = error->code;
	icmp->checksum = 0;
	icmp->rest = bpf_htonl(error->rest);
	sum = partial ? sum_partial(pkt, icmp, hook_end(ctx)) :
			sum_quote((void *)icmp, hook_end(ctx), payload);
	if (pkt->family == FAMILY_V6)
		sum += pseudo_sum(pkt, IPPROTO_ICMPV6, payload);
	icmp->checksum = ~checksum_fold(sum);
	return hook_send(ctx, hook_ingress(ctx));
}
