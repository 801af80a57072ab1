/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ICMP errors quote the packet they are about. An error about an answer comes
 * to the VIP and quotes the VIP as source; one about a request leaves the node
 * and quotes the pod as destination. The receiver knows neither: the quote is
 * translated too. Its L4 checksum stays: nobody checks it, and often it is cut off.
 */
#pragma once

#include "node_flow.h"
#include "node_rewrite.h"
#include "quote.h"

/* Where the quote's IP header is, in the frame. */
static __always_inline __u32 quote_at(const struct packet *pkt)
{
	return pkt->l3_offset + (pkt->l3_size & L3_SIZE_MASK) + sizeof(struct icmp_header);
}

/* Exchanges the address of an IP header, of which a checksum behind the header
 * may have to know: that of ICMPv6. */
static __always_inline int exchange_address(hook_ctx *ctx, __u32 ip_at, __u32 family, int end,
					    const __u32 *old, const __u32 *address, __u32 *sum)
{
	__u32 delta = address_diff(old, address);
	int failed = write_balanced_address(ctx, address_at(ip_at, family, end), address,
					    family == FAMILY_V6);

	if (family == FAMILY_V6)
		*sum += checksum_fold(delta);
	else
		failed |= write_checksum(ctx, ip_at + offsetof(struct iphdr, check), delta);
	return failed;
}

/* The end of the quote that is to be exchanged, and that of the message. */
struct translation {
	const __u32 *address;	/* of the quote */
	const __u32 *outer;	/* of the message */
	__u16 port;
	__u16 client_port;	/* of the quote's other end */
	__u8 end;		/* enum packet_end, of the quote; the message's is the other */
};

static __noinline int translate_error(hook_ctx *ctx, const struct packet *pkt,
				      const struct quote *quote, const struct translation *to)
{
	__u32 sum = 0, at, port_at, client_port_at;
	__u16 old_port, old_client_port;
	int failed;

	if (!pkt || !quote || !to)
		return DROP(DROP_INTERNAL);
	at = quote_at(pkt);
	port_at = at + quote->l3_size;
	client_port_at = port_at;
	if (to->end == END_SOURCE) {
		old_port = quote->ports;
		old_client_port = quote->ports >> 16;
		client_port_at += 2;
		failed = exchange_address(ctx, at, pkt->family, END_SOURCE, quote->source,
					  to->address, &sum);
		failed |= exchange_address(ctx, pkt->l3_offset, pkt->family, END_DESTINATION,
					   pkt->destination, to->outer, &sum);
	} else {
		old_port = quote->ports >> 16;
		old_client_port = quote->ports;
		port_at += 2;
		failed = exchange_address(ctx, at, pkt->family, END_DESTINATION,
					  quote->destination, to->address, &sum);
		failed |= exchange_address(ctx, pkt->l3_offset, pkt->family, END_SOURCE,
					   pkt->source, to->outer, &sum);
	}
	failed |= write_port(ctx, port_at, to->port);
	sum += checksum_diff(old_port, to->port);
	if (unlikely(to->client_port != old_client_port)) {
		failed |= write_port(ctx, client_port_at, to->client_port);
		sum += checksum_diff(old_client_port, to->client_port);
	}
	failed |= write_checksum(ctx, at - sizeof(struct icmp_header) +
				 offsetof(struct icmp_header, checksum), sum);
	return failed ? DROP(DROP_INTERNAL) : GO_ON;
}
