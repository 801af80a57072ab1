/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Next hops, reached by index. The FIB costs more than the rest of the packet
 * path together, so an entry is asked for again once a second at most, by one
 * CPU, while the others go on with what is there.
 */
#pragma once

#include "maps.h"
#include "packet.h"
#include "counters.h"

#ifndef AF_INET
#define AF_INET 2
#define AF_INET6 10
#endif
#define MAC_MASK 0xffffffffffffull
#define NEXT_HOP_PLACES 4
#define NEXT_HOP_UNUSED_SECONDS 60
#define NEXT_HOP_HANDLE(index, generation) ((index) | (__u32)(generation) << 16)

/* The word {family, in_use, generation} of a next hop. */
union next_hop_use {
	__u32 word;
	struct {
		__u8 family;
		__u8 in_use;
		__u16 generation;
	};
};

/* The word {dmac, state}, which changes by one store. */
union next_hop_target {
	__u64 word;
	struct {
		__u8 dmac[6];
		__u16 state;
	};
};

/* What the FIB said, and where it leads. */
struct route_answer {
	union next_hop_target target;
	__u32 ifindex;
	__u32 gateway[4];
	__u32 mtu;
	__u32 family;
	__u8 smac[6];
	__u16 vlan;
	__u32 routed;
};

/* The device and tag behind what the FIB names; unknown devices are refused,
 * because a redirect to them may lose the packet without a word. */
static __always_inline int find_egress(__u32 fib_ifindex, __u32 ingress,
				       struct route_answer *answer)
{
	struct egress_device *device;

	device = bpf_map_lookup_elem(&egress_devices, &fib_ifindex);
	if (!device && fib_ifindex != ingress)
		return -1;
	answer->ifindex = device ? device->ifindex : fib_ifindex;
	answer->vlan = device ? device->vlan : 0;
	return 0;
}

static __always_inline int is_link_local(const __u32 *address, __u32 family)
{
	return family == FAMILY_V6 && (address[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* Asks the FIB the way to an address; a link-local one needs its device. The
 * length makes it tell the MTU. */
static __noinline int ask_route(hook_ctx *ctx, const __u32 *to, __u32 family, __u32 device,
				struct route_answer *answer)
{
	struct bpf_fib_lookup fib = {
		.family = family == FAMILY_V6 ? AF_INET6 : AF_INET, .l4_protocol = IPPROTO_TCP,
		.tot_len = 1, .ifindex = hook_ingress(ctx),
	};
	__u32 flags = 0;
	long result;

	if (!to || !answer)
		return -1;
	copy_address(fib.ipv6_dst, to);
	if (device && is_link_local(to, family)) {
		fib.ifindex = device;
		flags = BPF_FIB_LOOKUP_OUTPUT;
	}
	result = bpf_fib_lookup(ctx, &fib, sizeof(fib), flags);
	__builtin_memset(answer, 0, sizeof(*answer));
	if (result == BPF_FIB_LKUP_RET_BLACKHOLE || result == BPF_FIB_LKUP_RET_UNREACHABLE ||
	    result == BPF_FIB_LKUP_RET_PROHIBIT) {
		answer->target.state = NEXT_HOP_BLACKHOLE;
		return 0;
	}
	if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
		return -1;
	/* An IPv4 route may lead over an IPv6 gateway. */
	answer->family = fib.family == AF_INET6 ? FAMILY_V6 : FAMILY_V4;
	copy_address(answer->gateway, fib.ipv6_dst);
	answer->routed = answer->family != family || !same_address(answer->gateway, to);
	if (find_egress(fib.ifindex, hook_ingress(ctx), answer))
		return -1;
	if (result == BPF_FIB_LKUP_RET_SUCCESS) {
		__builtin_memcpy(answer->target.dmac, fib.dmac, 6);
		__builtin_memcpy(answer->smac, fib.smac, 6);
		answer->target.state = NEXT_HOP_VALID;
		/* Without a neighbour it is still the length that was asked for. */
		answer->mtu = fib.mtu_result;
	}
	return 0;
}

static __always_inline void publish_target(struct next_hop *hop, __u64 word)
{
	*(volatile __u64 *)hop->dmac = word;
}

static __always_inline int same_mac(const __u8 *a, const __u8 *b)
{
	return *(const __u32 *)a == *(const __u32 *)b &&
	       *(const __u16 *)(a + 4) == *(const __u16 *)(b + 4);
}

/* Writes an answer; where more than the target changes, it is withdrawn first. */
static __always_inline void write_answer(struct next_hop *hop, const struct route_answer *answer)
{
	if (hop->ifindex != answer->ifindex || hop->vlan != answer->vlan ||
	    hop->routed != answer->routed || !same_mac(hop->smac, answer->smac)) {
		publish_target(hop, 0);
		hop->routed = answer->routed;
		hop->ifindex = answer->ifindex;
		hop->vlan = answer->vlan;
		__builtin_memcpy(hop->smac, answer->smac, 6);
	}
	hop->mtu = answer->mtu;
	publish_target(hop, answer->target.word);
}

/* The CPU that moves the stamp asks; the others use what is there. */
static __noinline int refresh_next_hop(hook_ctx *ctx, struct next_hop *hop, __u32 now)
{
	struct route_answer answer;
	__u32 stamp;

	if (!hop)
		return 0;
	stamp = hop->refreshed;
	if (stamp == now || __sync_val_compare_and_swap(&hop->refreshed, stamp, now) != stamp)
		return 0;
	if (ask_route(ctx, hop->addr, hop->family, hop->ifindex, &answer))
		publish_target(hop, 0);
	else
		write_answer(hop, &answer);
	return 0;
}

/* Takes a free or long unused place for a gateway; its handle, or 0. */
static __always_inline __u32 claim_next_hop(struct next_hop *hop, __u32 index,
					    const struct route_answer *answer, __u32 now)
{
	__u32 *use = (__u32 *)&hop->family;
	union next_hop_use old = { .word = *(volatile __u32 *)use }, new = old;
	__u32 stamp = hop->refreshed;

	if (old.in_use && (now - stamp <= NEXT_HOP_UNUSED_SECONDS * config.hz ||
			   __sync_val_compare_and_swap(&hop->refreshed, stamp, now) != stamp))
		return 0;
	publish_target(hop, 0);
	new.family = answer->family;
	new.in_use = 1;
	new.generation++;
	if (__sync_val_compare_and_swap(use, old.word, new.word) != old.word)
		return 0;
	copy_address(hop->addr, answer->gateway);
	hop->refreshed = now;
	write_answer(hop, answer);
	return NEXT_HOP_HANDLE(index, new.generation);
}

static __always_inline int leads_there(const struct next_hop *hop,
				       const struct route_answer *answer)
{
	return hop->in_use && hop->family == answer->family && hop->ifindex == answer->ifindex &&
	       hop->vlan == answer->vlan && same_address(hop->addr, answer->gateway);
}

/* A handle on the next hop towards a client, or 0: leave it to the kernel. */
static __noinline __u32 find_client_next_hop(hook_ctx *ctx, const __u32 *client, __u32 family,
					     __u32 now)
{
	struct route_answer answer;
	__u32 position, handle;

	if (ask_route(ctx, client, family, 0, &answer) || answer.target.state == NEXT_HOP_BLACKHOLE)
		return 0;
	position = ((address_word(answer.gateway, answer.family) ^ answer.ifindex) * 2654435761u) >> 16;
	for (int i = 0; i < NEXT_HOP_PLACES; i++) {
		__u32 index = config.client_next_hops_first +
			      ((position + i) & config.client_next_hops_mask);
		struct next_hop *hop = bpf_map_lookup_elem(&next_hops, &index);

		if (!hop)
			return 0;
		if (leads_there(hop, &answer))
			return NEXT_HOP_HANDLE(index, hop->generation);
		handle = claim_next_hop(hop, index, &answer, now);
		if (handle)
			return handle;
	}
	return 0;
}

static __always_inline int needs_refresh(const struct next_hop *hop, __u32 now)
{
	__u32 age = now - hop->refreshed;

	return age >= config.hz || (hop->state == NEXT_HOP_UNRESOLVED && age);
}

/* The next hop as it is to be used, of an index; NULL: the kernel's. */
static __always_inline struct next_hop *next_hop_at(hook_ctx *ctx, const struct packet *pkt,
						    __u32 index)
{
	struct next_hop *hop = index ? bpf_map_lookup_elem(&next_hops, &index) : NULL;

	if (hop && unlikely(needs_refresh(hop, pkt->now)))
		refresh_next_hop(ctx, hop, pkt->now);
	return hop;
}

static __always_inline int to_kernel(const struct packet *pkt)
{
	count_event(EVENT_TO_KERNEL, pkt->length);
	return DONE(HOOK_PASS);
}

/* Sends the rewritten packet to a next hop that was looked at. The frame's
 * pointers are read anew. */
static __always_inline int send_to(hook_ctx *ctx, const struct packet *pkt, struct next_hop *hop)
{
	union next_hop_target target;
	void *frame;
	__u64 smac;

	if (!hop)
		return to_kernel(pkt);
	target.word = *(volatile __u64 *)hop->dmac;
	if (unlikely(target.state != NEXT_HOP_VALID)) {
		if (target.state == NEXT_HOP_BLACKHOLE)
			return DROP(DROP_NO_ROUTE);
		return to_kernel(pkt);
	}
	if (hook_set_vlan(ctx, pkt->l3_offset, hop->vlan))
		return DROP(DROP_INTERNAL);
	frame = hook_data(ctx);
	if (frame + ETH_HLEN > hook_end(ctx))
		return DROP(DROP_INTERNAL);
	/* Both addresses in two stores, not twelve. */
	smac = *(volatile __u64 *)hop->smac;
	*(__u64 *)frame = (target.word & MAC_MASK) | smac << 48;
	*(__u32 *)(frame + 8) = smac >> 16;
	return hook_send(ctx, hop->ifindex);
}
