/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A packet, read once: what it says (struct packet, which outlives every
 * rewriting), and where (struct headers, valid until a helper moves the frame).
 * Both families, told apart at run time.
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include "address.h"
#include "verdict.h"

#define ETHERTYPE_OFFSET 12
#define VLAN_TAGS_MAX 2
#define LINK_MOST (ETH_HLEN + 4 * VLAN_TAGS_MAX)
#define IP_FRAGMENT bpf_htons(0x3fff)	/* more fragments, or an offset */
#define IP_OFFSET bpf_htons(0x1fff)
#define IP_DF bpf_htons(0x4000)

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_FLAGS_OFFSET 13

enum packet_role { ROLE_TO_VIP, ROLE_ANSWER, ROLE_MASK = 1 };

static __always_inline __u32 tcp_size(const void *tcp)
{
	return (*((const __u8 *)tcp + 12) >> 4) * 4;
}

/* What a fragment is of its packet. */
enum fragment_part { FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_LATER };

struct headers {
	void *data;
	void *end;
	void *ip;
	void *l4;
};

struct packet {
	__u32 source[4];	/* as loaded from the wire; IPv4 uses the first word */
	__u32 destination[4];
	__u32 ports;		/* source port in the low half, as loaded */
	__u32 service;		/* index, once known */
	__u32 now;
	__u32 fragment_id;	/* as loaded */
	__u16 length;		/* of the IP packet, from the IP header on */
	__u16 l3_size;		/* of the IP header with options or extension headers */
	__u16 snat_number;	/* answers: which SNAT address */
	__u8 snat_own;		/* answers: it is the node's own address */
	__u8 l3_offset;
	__u8 protocol;
	__u8 family;		/* enum address_family */
	__u8 ttl;		/* or hop limit */
	__u8 tcp_flags;
	__u8 role;
	__u8 fragment;		/* enum fragment_part */
	__u8 whole;		/* IPv4: DF is set, routers must not fragment it */
};

static __always_inline int is_syn(const struct packet *pkt)
{
	return pkt->protocol == IPPROTO_TCP &&
	       (pkt->tcp_flags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST)) == TCP_SYN;
}

static __always_inline int is_icmp(const struct packet *pkt)
{
	return pkt->protocol == (pkt->family == FAMILY_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline __u16 source_port(const struct packet *pkt)
{
	return (__u16)pkt->ports;
}

static __always_inline __u16 destination_port(const struct packet *pkt)
{
	return (__u16)(pkt->ports >> 16);
}

/* The frontend that a packet is for; port and protocol 0 for its VIP itself. */
static __always_inline void frontend_of(const struct packet *pkt, __u16 port, __u8 protocol,
					struct frontend_key *key)
{
	copy_address(key->addr, pkt->destination);
	key->port = port;
	key->protocol = protocol;
	key->family = pkt->family;
}

/* The tuple of a packet towards a VIP. */
static __always_inline void tuple_of(const struct packet *pkt, struct flow_key6 *tuple)
{
	copy_address(tuple->client, pkt->source);
	copy_address(tuple->vip, pkt->destination);
	tuple->client_port = source_port(pkt);
	tuple->vip_port = destination_port(pkt);
	tuple->protocol = pkt->protocol;
}

static __always_inline struct flow_key4 tuple4(const struct flow_key6 *tuple)
{
	return (struct flow_key4){
		.client = tuple->client[0], .vip = tuple->vip[0],
		.client_port = tuple->client_port, .vip_port = tuple->vip_port,
		.protocol = tuple->protocol,
	};
}
