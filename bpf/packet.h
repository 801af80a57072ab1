/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A packet, read once: what it says (struct packet, which outlives every
 * rewriting), and where (struct headers, valid until a helper moves the frame).
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include "config.h"
#include "verdict.h"

#define ETHERTYPE_OFFSET 12
#define VLAN_TAGS_MAX 2
#define IP_FRAGMENT bpf_htons(0x3fff)	/* more fragments, or an offset */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_FLAGS_OFFSET 13

/* linux/icmp.h needs a C library's headers. */
#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_ECHO 8
#define ICMP_PORT_UNREACH 3
struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__u32 rest;
};

enum packet_role { ROLE_TO_VIP, ROLE_ANSWER, ROLE_MASK = 1 };

struct headers {
	void *data;
	void *end;
	struct iphdr *ip;
	void *l4;
};

struct packet {
	__u32 source;		/* as loaded from the wire */
	__u32 destination;
	__u32 ports;		/* source port in the low half, as loaded */
	__u32 service;		/* index, once known */
	__u32 now;
	__u16 length;		/* total length of the IP packet */
	__u8 l3_offset;
	__u8 l3_size;
	__u8 protocol;
	__u8 ttl;
	__u8 tcp_flags;
	__u8 role;
	__u8 snat_index;	/* answers: which SNAT address */
	__u8 snat_own;		/* answers: it is the node's own address */
};

static __always_inline int is_syn(const struct packet *pkt)
{
	return pkt->protocol == IPPROTO_TCP &&
	       (pkt->tcp_flags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST)) == TCP_SYN;
}

static __always_inline __u16 source_port(const struct packet *pkt)
{
	return (__u16)pkt->ports;
}

static __always_inline __u16 destination_port(const struct packet *pkt)
{
	return (__u16)(pkt->ports >> 16);
}

/* Where the IPv4 header is behind up to two VLAN tags; 0: there is none. */
static __always_inline __u32 find_ipv4(hook_ctx *ctx)
{
	void *data = hook_data(ctx), *end = hook_end(ctx);
	__u32 offset = ETH_HLEN;
	__u16 type;

	if (data + ETH_HLEN > end)
		return 0;
	type = *(__u16 *)(data + ETHERTYPE_OFFSET);
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		__u16 *tag = data + offset;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 2) > end)
			return 0;
		type = tag[1];
		offset += 4;
	}
	return type == bpf_htons(ETH_P_IP) ? offset : 0;
}

/* Addresses as loaded from the wire, here and below. */
static __always_inline int is_in_vip_range(__u32 address)
{
#pragma unroll
	for (int i = 0; i < MAX_VIP_RANGES; i++) {
		if (i >= config.vip4_count)
			break;
		if ((address & config.vip4[i].mask) == config.vip4[i].network)
			return 1;
	}
	return 0;
}

/* The range of SNAT addresses that has this address, or NULL. */
static __always_inline const volatile struct snat_range *find_snat_range(__u32 address)
{
#pragma unroll
	for (int i = 0; i < MAX_SNAT_RANGES; i++) {
		if (i >= config.snat4_count)
			break;
		if (bpf_ntohl(address) - config.snat4[i].first < config.snat4[i].count)
			return &config.snat4[i];
	}
	return NULL;
}

/* The number of one of the range's addresses among all SNAT addresses. */
static __always_inline __u32 snat_number(const volatile struct snat_range *range, __u32 address)
{
	return range->first_index + bpf_ntohl(address) - range->first;
}

/* Is it a SNAT address? Then *number is its number. */
static __always_inline int find_snat_number(__u32 address, __u32 *number)
{
	__u32 host = bpf_ntohl(address), offset;

#pragma unroll
	for (int i = 0; i < MAX_SNAT_RANGES; i++) {
		if (i && i >= config.snat4_count) /* without ranges, its count is 0 */
			break;
		offset = host - config.snat4[i].first;
		*number = config.snat4[i].first_index + offset;
		if (offset < config.snat4[i].count)
			return 1;
	}
	return 0;
}

/* Both in one word, for functions with few arguments. */
#define SNAT_OWN 0x20000

/* Reads the IPv4 header and refuses what makes no sense. */
static __always_inline int read_ipv4(hook_ctx *ctx, struct packet *pkt, struct headers *at)
{
	struct iphdr *ip;

	at->data = hook_data(ctx);
	at->end = hook_end(ctx);
	at->ip = ip = at->data + pkt->l3_offset;
	if ((void *)(ip + 1) > at->end)
		return DROP(DROP_TRUNCATED);
	pkt->length = bpf_ntohs(ip->tot_len);
	if (*(__u8 *)ip != (0x40 | pkt->l3_size / 4) || pkt->l3_size < sizeof(*ip) ||
	    pkt->length < pkt->l3_size)
		return DROP(DROP_BAD_HEADER);
	if (pkt->l3_offset + pkt->length > hook_frame_length(ctx))
		return DROP(DROP_TRUNCATED);
	if (ip->frag_off & IP_FRAGMENT)
		return DROP(DROP_FRAGMENT);
	pkt->protocol = ip->protocol;
	pkt->ttl = ip->ttl;
	pkt->source = ip->saddr;
	pkt->destination = ip->daddr;
	at->l4 = (void *)ip + pkt->l3_size;
	return GO_ON;
}

/* Reads ports and flags. All three protocols have at least 8 bytes. */
static __always_inline int read_l4(struct packet *pkt, const struct headers *at)
{
	__u32 room = pkt->length - pkt->l3_size;
	__u8 data_offset;

	if (pkt->protocol != IPPROTO_TCP && pkt->protocol != IPPROTO_UDP &&
	    pkt->protocol != IPPROTO_ICMP)
		return DROP(DROP_UNKNOWN_PROTOCOL);
	if (room < sizeof(struct udphdr) || at->l4 + sizeof(struct udphdr) > at->end)
		return DROP(DROP_TRUNCATED);
	pkt->ports = *(__u32 *)at->l4;
	pkt->tcp_flags = 0;
	if (pkt->protocol != IPPROTO_TCP)
		return GO_ON;
	if (room < sizeof(struct tcphdr) || at->l4 + sizeof(struct tcphdr) > at->end)
		return DROP(DROP_TRUNCATED);
	data_offset = (*(__u8 *)(at->l4 + 12) >> 4) * 4;
	if (data_offset < sizeof(struct tcphdr) || data_offset > room)
		return DROP(DROP_BAD_HEADER);
	pkt->tcp_flags = *(__u8 *)(at->l4 + TCP_FLAGS_OFFSET);
	return GO_ON;
}
