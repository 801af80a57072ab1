/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A balancer with an entry for every flow, to compare with: a packet of a
 * known flow goes to the flow's backend while that is there, any other one to
 * the backend that the Maglev table names, and is entered. The tables come
 * from user space (flow-table-node.ts). Tunnels by IPIP; -DSOURCE4=... host order.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "../../rig/outer-header.h"

#define MAX_SLOTS 131072
#define MAX_PODS 256
/* 10.1.0.0/24, and the address of pod 0. */
#define VIPS 0x0a010000u
#define FIRST_POD 0x0a280101u

struct flow {
	__be32 client, vip;
	__be16 client_port, vip_port;
};

/* The table in force. */
struct table {
	__u32 size;
	__u16 owners[MAX_SLOTS];
	/* By number of the pod: 1 if it is there. */
	__u8 there[MAX_PODS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct table);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct flow);
	__type(value, __u32);
} flows SEC(".maps");

/* MurmurHash3's finalizer (Appleby) after each word. */
static __always_inline __u32 hash_of(const struct flow *flow)
{
	__u32 words[3] = { flow->client, flow->vip, flow->client_port | (__u32)flow->vip_port << 16 };
	__u32 hash = 0;

	for (int i = 0; i < 3; i++) {
		hash ^= words[i];
		hash = (hash ^ hash >> 16) * 0x85ebca6b;
		hash = (hash ^ hash >> 13) * 0xc2b2ae35;
		hash ^= hash >> 16;
	}
	return hash;
}

/* Number of the pod, or MAX_PODS. */
static __always_inline __u32 choose(const struct flow *flow, const struct tcphdr *tcp)
{
	__u32 zero = 0, pod, slot, *known;
	struct table *now = bpf_map_lookup_elem(&table, &zero);

	if (!now)
		return MAX_PODS;
	known = tcp->syn ? NULL : bpf_map_lookup_elem(&flows, flow);
	if (known && *known < MAX_PODS && now->there[*known]) {
		pod = *known;
	} else {
		slot = (__u64)hash_of(flow) * now->size >> 32;
		pod = slot < MAX_SLOTS ? now->owners[slot] : MAX_PODS;
		bpf_map_update_elem(&flows, flow, &pod, BPF_ANY);
	}
	if (tcp->rst)
		bpf_map_delete_elem(&flows, flow);
	return pod;
}

SEC("xdp")
int flow_table(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	struct flow flow;
	__u16 length;
	__u32 pod;

	if ((void *)(tcp + 1) > (void *)(long)ctx->data_end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    *(__u8 *)ip != 0x45 || (bpf_ntohl(ip->daddr) & 0xffffff00) != VIPS ||
	    ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	flow = (struct flow){
		.client = ip->saddr, .vip = ip->daddr, .client_port = tcp->source, .vip_port = tcp->dest,
	};
	length = bpf_ntohs(ip->tot_len);
	pod = choose(&flow, tcp);
	if (pod >= MAX_PODS)
		return XDP_DROP;
	ip = push(ctx, sizeof(*ip));
	if (!ip)
		return XDP_DROP;
	write_ip4(ip, length, IPPROTO_IPIP, SOURCE4, FIRST_POD + pod);
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
