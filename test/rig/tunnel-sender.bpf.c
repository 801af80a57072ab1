/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stands for an LB node that tunnels: whatever comes for the VIP range goes
 * back out in an outer header to one pod. The addresses are set when it is
 * compiled, so that a test can have it lie about where it comes from:
 * -DSOURCE4=0x0a040101 -DPOD4=... -DVIP4=... (host order, /24), and the same of
 * IPv6 as four words; -DGUE_PORT=6080 for GUE; -DOUTER_FLAGS=0x2000 for outer
 * IPv4 packets that call themselves first fragments.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "outer-header.h"

#ifdef GUE_PORT
#define SHIM (sizeof(struct udphdr) + 4)
#else
#define SHIM 0
#endif

static __always_inline int is_same6(const struct in6_addr *a, const __u32 *words, int count)
{
	for (int i = 0; i < count; i++)
		if (a->in6_u.u6_addr32[i] != bpf_htonl(words[i]))
			return 0;
	return 1;
}

static __always_inline void write_shim(void *at, __u16 length, __u8 carried)
{
#ifdef GUE_PORT
	struct udphdr *udp = at;

	udp->source = bpf_htons(0xc123);
	udp->dest = bpf_htons(GUE_PORT);
	udp->len = bpf_htons(length + SHIM);
	udp->check = 0;
	*(__u32 *)(udp + 1) = bpf_htonl((__u32)carried << 16);
#endif
}

static __always_inline void write_outer4(struct iphdr *ip, __u16 length)
{
	write_ip4(ip, SHIM + length, SHIM ? IPPROTO_UDP : IPPROTO_IPIP, SOURCE4, POD4);
	write_shim(ip + 1, length, IPPROTO_IPIP);
}

static __always_inline void write_outer6(struct ipv6hdr *ip, __u16 length)
{
	const __u32 source[4] = { SOURCE6 }, pod[4] = { POD6 };

	__builtin_memset(ip, 0, sizeof(*ip));
	*(__u8 *)ip = 0x60;
	ip->payload_len = bpf_htons(SHIM + length);
	ip->nexthdr = SHIM ? IPPROTO_UDP : IPPROTO_IPV6;
	ip->hop_limit = 64;
	for (int i = 0; i < 4; i++) {
		ip->saddr.in6_u.u6_addr32[i] = bpf_htonl(source[i]);
		ip->daddr.in6_u.u6_addr32[i] = bpf_htonl(pod[i]);
	}
	write_shim(ip + 1, length, IPPROTO_IPV6);
}

SEC("xdp")
int tunnel_sender(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const __u32 vip6[4] = { VIP6 };
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = data + sizeof(*eth);
	struct iphdr *ip = data + sizeof(*eth);
	__u16 length;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP) && (bpf_ntohl(ip->daddr) & 0xffffff00) == VIP4) {
		length = bpf_ntohs(ip->tot_len);
		ip = push(ctx, sizeof(*ip) + SHIM);
		if (!ip)
			return XDP_DROP;
		write_outer4(ip, length);
		return XDP_TX;
	}
	if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(ip6 + 1) > end ||
	    !is_same6(&ip6->daddr, vip6, 2))
		return XDP_PASS;
	length = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
	ip6 = push(ctx, sizeof(*ip6) + SHIM);
	if (!ip6)
		return XDP_DROP;
	write_outer6(ip6, length);
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
