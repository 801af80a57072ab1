/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Both ends of a SYN flood through an LB node that tunnels by IPIP, on the
 * router's device towards it. The source makes each frame anew, because the
 * kernel hands the same pages out again with whatever was written into them.
 * The sink counts what comes back by outer destination and ends it there, but
 * for one of PASS_ONE_OF, which goes on to the backend. Whatever is not of
 * the flood passes.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "syn-flood.h"

/* 198.18.0.0/15, the network for benchmarks (RFC 2544). */
#define CLIENTS 0xc6120000u
#define CLIENTS_MASK 0xfffe0000u

/* One of so many SYNs goes on to the backends. */
#define PASS_ONE_OF 16

const volatile struct flood_settings settings;

struct tuple {
	__u32 client;
	__u32 client_port;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps");

/* Tuples that came for the watched backend. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tuple);
	__type(value, __u32);
} watched_tuples SEC(".maps");

/* Tuples that there was no room for. */
__u64 unwatched;

static __always_inline __u32 sum_words(const void *data, int words)
{
	const __u16 *word = data;
	__u32 sum = 0;

	for (int i = 0; i < words; i++)
		sum += word[i];
	return sum;
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

SEC("xdp")
int flood_source(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 chance = bpf_get_prandom_u32();

	if ((void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(eth->h_source, (const void *)settings.router_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, (const void *)settings.lb_mac, ETH_ALEN);
	eth->h_proto = bpf_htons(ETH_P_IP);
	__builtin_memset(ip, 0, sizeof(*ip) + sizeof(*tcp));
	*(__u8 *)ip = 0x45;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*tcp));
	ip->ttl = 60;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = bpf_htonl(CLIENTS | (chance & ~CLIENTS_MASK));
	ip->daddr = settings.vip;
	ip->check = fold(sum_words(ip, sizeof(*ip) / 2));
	tcp->source = bpf_htons(1024 + bpf_get_prandom_u32() % 64512);
	tcp->dest = settings.port;
	tcp->seq = bpf_get_prandom_u32();
	tcp->doff = sizeof(*tcp) / 4;
	tcp->syn = 1;
	tcp->window = bpf_htons(64240);
	tcp->check = fold(sum_words(&ip->saddr, 4) + bpf_htons(IPPROTO_TCP) +
			  bpf_htons(sizeof(*tcp)) + sum_words(tcp, sizeof(*tcp) / 2));
	return XDP_TX;
}

static __always_inline void watch(const struct iphdr *inner, const struct tcphdr *tcp)
{
	struct tuple tuple = {
		.client = inner->saddr, .client_port = bpf_ntohs(tcp->source),
	};
	__u32 one = 1;

	if (bpf_map_update_elem(&watched_tuples, &tuple, &one, BPF_ANY))
		__sync_fetch_and_add(&unwatched, 1);
}

SEC("xdp")
int flood_sink(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1), *inner = ip + 1;
	struct tcphdr *tcp = (void *)(inner + 1);
	__u64 *count, one = 1;
	__u32 to;

	if ((void *)(tcp + 1) > (void *)(long)ctx->data_end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    *(__u8 *)ip != 0x45 || ip->protocol != IPPROTO_IPIP ||
	    (bpf_ntohl(inner->saddr) & CLIENTS_MASK) != CLIENTS)
		return XDP_PASS;
	to = ip->daddr;
	count = bpf_map_lookup_elem(&arrived, &to);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&arrived, &to, &one, BPF_ANY);
	if (to == settings.watched)
		watch(inner, tcp);
	return bpf_get_prandom_u32() % PASS_ONE_OF ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
