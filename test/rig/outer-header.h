/* SPDX-License-Identifier: GPL-2.0 */
/* An outer IPv4 header in front of a packet, for programs that stand for LB nodes. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Of IPv4: DF, or what the compiler's command line says. */
#ifndef OUTER_FLAGS
#define OUTER_FLAGS 0x4000
#endif

/* Room for the outer header behind the Ethernet one, whose addresses change
 * sides: the router that sent the packet gets it back. */
static __always_inline void *push(struct xdp_md *ctx, int bytes)
{
	struct ethhdr eth, *now;

	if ((void *)(long)ctx->data + sizeof(eth) > (void *)(long)ctx->data_end)
		return NULL;
	__builtin_memcpy(&eth, (void *)(long)ctx->data, sizeof(eth));
	if (bpf_xdp_adjust_head(ctx, -bytes))
		return NULL;
	now = (void *)(long)ctx->data;
	if ((void *)now + sizeof(eth) + bytes > (void *)(long)ctx->data_end)
		return NULL;
	__builtin_memcpy(now->h_dest, eth.h_source, ETH_ALEN);
	__builtin_memcpy(now->h_source, eth.h_dest, ETH_ALEN);
	now->h_proto = eth.h_proto;
	return now + 1;
}

/* length: of what follows the header. Addresses in host order. */
static __always_inline void write_ip4(struct iphdr *ip, __u16 length, __u8 protocol, __u32 source,
				      __u32 destination)
{
	__u16 *words = (__u16 *)ip;
	__u32 sum = 0;

	__builtin_memset(ip, 0, sizeof(*ip));
	*(__u8 *)ip = 0x45;
	ip->tot_len = bpf_htons(sizeof(*ip) + length);
	ip->frag_off = bpf_htons(OUTER_FLAGS);
	ip->ttl = 64;
	ip->protocol = protocol;
	ip->saddr = bpf_htonl(source);
	ip->daddr = bpf_htonl(destination);
	for (int i = 0; i < 10; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~(sum + (sum >> 16));
}
