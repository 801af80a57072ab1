/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet of a service in a DSR mode that nearly every such packet is:
 * untagged, without options or extension headers, of a slot that is not
 * tracked or of a remembered flow that was seen within the last second, and
 * with a next hop that is fresh and takes it as it is. Whatever is not so
 * leads to the general path before anything was changed or counted. Family,
 * protocol and mode are constants of every function here, so that offsets and
 * header words are.
 */
#pragma once

#include "fast_path.h"

#define OTHER_FLAGS (SERVICE_F_AFFINITY | SERVICE_F_HASH3)	/* that the short way knows */

static __always_inline __u32 plain_l3(const __u32 family)
{
	return family == FAMILY_V4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

static __always_inline void *plain_l4(void *frame, const __u32 family)
{
	return frame + ETH_HLEN + plain_l3(family);
}

static __always_inline const __u32 *plain_client(void *frame, const __u32 family)
{
	return frame + ETH_HLEN + (family == FAMILY_V4 ? 12 : 8);
}

static __always_inline const __u32 *plain_vip(void *frame, const __u32 family)
{
	return frame + ETH_HLEN + (family == FAMILY_V4 ? 16 : 24);
}

/* TCP's flags; 0 for UDP. */
static __always_inline __u8 plain_flags(void *frame, const __u32 family, const __u8 protocol)
{
	return protocol == IPPROTO_TCP ? *(__u16 *)(plain_l4(frame, family) + TCP_OFFSET_FLAGS) >> 8 :
					 0;
}

static __always_inline int is_syn_flags(__u8 flags)
{
	return (flags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST)) == TCP_SYN;
}

/* Length from the IP header on; 0 if there is anything that the general path
 * would refuse. */
static __always_inline __u32 dsr_length(const hook_ctx *ctx, void *frame, const __u32 family,
					const __u8 protocol)
{
	__u32 length, l4 = sizeof(struct udphdr);

	if (family == FAMILY_V4) {
		const struct iphdr *ip = frame + ETH_HLEN;

		length = bpf_ntohs(ip->tot_len);
		if (ip->frag_off & IP_FRAGMENT || ip->ttl <= 1)
			return 0;
	} else {
		const struct ipv6hdr *ip = frame + ETH_HLEN;

		length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
		if (ip->hop_limit <= 1 || length > 0xffff)
			return 0;
	}
	if (protocol == IPPROTO_TCP) {
		l4 = (*(__u16 *)(plain_l4(frame, family) + TCP_OFFSET_FLAGS) >> 2) & 0x3c;
		if (l4 < sizeof(struct tcphdr))
			return 0;
	}
	if (length < plain_l3(family) + l4 || ETH_HLEN + length > hook_frame_length(ctx))
		return 0;
	return length;
}

/* The first slot of a bucket with this tag, or the first: the key decides. */
static __always_inline const __u32 *tagged_slot(const struct frontend_bucket *bucket, __u32 tag)
{
	const __u32 *halves = (const __u32 *)bucket->slot;

#pragma unroll
	for (int i = 0; i < FRONTENDS_PER_BUCKET; i++) {
		if (halves[2 * i + 1] == tag)
			return &halves[2 * i];
	}
	return halves;
}

/* As look_up_service(), without a key in memory, and for frontends that are
 * the first with their tag. */
static __always_inline struct service *plain_service(void *frame, const __u32 family,
						     const __u8 protocol, __u32 *index)
{
	const __u32 *vip = plain_vip(frame, family);
	__u32 end = *(__u32 *)plain_l4(frame, family) >> 16 | protocol << 16 | family << 24;
	__u64 hash = ((__u64)end << 32 | address_word(vip, family)) * 0x9E3779B97F4A7C15ull;
	__u32 position = ((__u32)hash ^ (__u32)(hash >> 32)) & config.bucket_mask;
	struct frontend_bucket *bucket = bpf_map_lookup_elem(&frontends, &position);
	struct service *service;
	const __u32 *place;

	if (!bucket)
		return NULL;
	/* The key is read where it stands: a copy on the stack would cost a load more. */
	place = tagged_slot(bucket, hash >> 32);
	*index = *(volatile const __u32 *)place;
	service = bpf_map_lookup_elem(&services, place);
	if (!service || *(__u32 *)&service->key.port != end || service->key.addr[0] != vip[0])
		return NULL;
	if (family == FAMILY_V6 &&
	    (service->key.addr[1] != vip[1] || service->key.addr[2] != vip[2] ||
	     service->key.addr[3] != vip[3]))
		return NULL;
	return service;
}

static __always_inline struct remembered_flow *plain_remembered(void *frame, const __u8 protocol)
{
	__u32 ports = *(__u32 *)plain_l4(frame, FAMILY_V6);
	struct flow_key6 key = {
		.client_port = ports, .vip_port = ports >> 16, .protocol = protocol,
	};

	copy_address(key.client, plain_client(frame, FAMILY_V6));
	copy_address(key.vip, plain_vip(frame, FAMILY_V6));
	return bpf_map_lookup_elem(&remembered6, &key);
}

/* A remembered flow that was seen within the last second, and of which this
 * packet changes nothing. */
static __always_inline int stays_remembered(__u8 state, __u32 age, __u8 flags)
{
	return !is_syn_flags(flags) && remembered_state(state, 0, flags) == state &&
	       age < config.hz && !is_idle(state, age);
}

/* Of a tracked slot, over IPv6: see plain_tracked(). */
static __always_inline struct backend *plain_tracked6(void *frame, const __u8 protocol,
						      __u32 service, __u32 now, __u32 *chosen)
{
	struct remembered_flow *flow = plain_remembered(frame, protocol);
	struct backend *backend;

	if (!flow)
		return NULL;
	*chosen = *(volatile __u32 *)&flow->backend;
	backend = bpf_map_lookup_elem(&backends, chosen);
	if (!backend || backend->service != service ||
	    backend->generation != flow->backend_generation ||
	    !stays_remembered(flow->state, now - flow->seen,
			      plain_flags(frame, FAMILY_V6, protocol)))
		return NULL;
	return backend;
}

/* The same over IPv4. */
static __always_inline struct backend *plain_tracked4(void *frame, const __u8 protocol, __u32 hash,
						      __u32 service, __u32 now, __u32 *chosen)
{
	__u32 ports = *(__u32 *)plain_l4(frame, FAMILY_V4);
	struct recent_line *line = recent_line(hash, ports);
	struct backend *backend;
	__u64 word;

	if (!line)
		return NULL;
	word = find_recent(line, recent_key(*plain_client(frame, FAMILY_V4), ports, service));
	*chosen = word & RECENT_BACKEND_MASK;
	backend = bpf_map_lookup_elem(&backends, chosen);
	if (!word || !backend || backend->service != service ||
	    (__u8)backend->generation != (__u8)(word >> RECENT_GENERATION_SHIFT) ||
	    !stays_remembered(word >> RECENT_STATE_SHIFT & RECENT_STATE_MASK,
			      recent_age(word, now), plain_flags(frame, FAMILY_V4, protocol)))
		return NULL;
	return backend;
}

/* Of a tracked slot: the backend, and its index, if the packet is of a
 * remembered flow and changes nothing about it, which is then the same in the
 * window and after. Whether the backend is still there is looked at for every
 * packet. */
static __always_inline struct backend *plain_tracked(void *frame, const __u8 protocol,
						     const struct inner *inner, __u32 service,
						     __u32 now, __u32 *chosen)
{
	if (inner->family == FAMILY_V6)
		return plain_tracked6(frame, protocol, service, now, chosen);
	return plain_tracked4(frame, protocol, inner->hash, service, now, chosen);
}

/* One hop less. */
static __always_inline void plain_hop(void *frame, const __u32 family)
{
	if (family == FAMILY_V4) {
		__u32 *word = frame + ETH_HLEN + offsetof(struct iphdr, ttl);

		*word = ttl_less_one(*word);
	} else {
		struct ipv6hdr *ip = frame + ETH_HLEN;

		ip->hop_limit--;
	}
}

static __always_inline __u8 plain_tos(void *frame, const __u32 family)
{
	__u8 *ip = frame + ETH_HLEN;

	return family == FAMILY_V4 ? ip[1] : (__u8)(ip[0] << 4 | ip[1] >> 4);
}

/* Room for the outer header, which is written: the frame, or NULL. */
static __always_inline void *plain_encapsulate(hook_ctx *ctx, const struct backend *backend,
					       const struct inner *inner, const __u32 mode,
					       const __u32 outer)
{
	const int gue = mode == MODE_GUE;
	void *frame;

	if (hook_open_outer(ctx, outer_size(mode, outer), outer, gue, inner->protocol))
		return NULL;
	frame = hook_data(ctx);
	if (frame + ETH_HLEN + outer_size(MODE_GUE, outer) > hook_end(ctx))
		return NULL;
	if (outer == FAMILY_V4)
		write_outer4(frame + ETH_HLEN, backend, inner, gue);
	else
		write_outer6(frame + ETH_HLEN, backend, inner, gue);
	return frame;
}

/* outer is a constant too: the backend's family. */
static __always_inline int dsr_send(hook_ctx *ctx, void *frame, const struct backend *backend,
				    struct inner *inner, const struct fresh_hop *hop,
				    const __u32 mode, const __u32 outer)
{
	const int bare = mode == MODE_L2;

	inner->tos = plain_tos(frame, inner->family);
	plain_hop(frame, inner->family);
	if (!bare) {
		frame = plain_encapsulate(ctx, backend, inner, mode, outer);
		if (!frame)
			return DROP(DROP_INTERNAL);
	}
	write_macs(frame, hop);
	*(__u16 *)(frame + ETHERTYPE_OFFSET) = ethertype_of(bare ? inner->family : outer);
	return hook_send(ctx, hop->ifindex);
}

/* Bytes before the payload. */
static __always_inline __u32 plain_headers(void *frame, const __u32 family, const __u8 protocol)
{
	void *l4 = plain_l4(frame, family);

	return plain_l3(family) + (protocol == IPPROTO_UDP ? sizeof(struct udphdr) : tcp_size(l4));
}

/* A packet whose backend is known, and of which family that is. */
static __always_inline int dsr_plain_to(hook_ctx *ctx, void *frame, const __u8 protocol,
					__u32 service, const __u32 *chosen,
					const struct backend *backend, struct inner *inner,
					__u32 now, const __u32 mode, const __u32 outer)
{
	struct next_hop *hop = bpf_map_lookup_elem(&next_hops, &backend->next_hop);
	__u32 length = hook_wire_length(ctx, protocol, plain_headers(frame, inner->family, protocol),
					inner->length, outer_size(mode, outer));
	struct fresh_hop fresh;

	if (!hop || !is_fresh(hop, now, config.hz, &fresh) ||
	    (unlikely(length > hop->mtu) && hop->mtu) || (mode == MODE_L2 && hop->routed))
		return GENERAL_PATH;
	count_in(*chosen, inner->length);
	if (unlikely(is_syn_flags(plain_flags(frame, inner->family, protocol))))
		count_flow(*chosen);
	return dsr_send(ctx, frame, backend, inner, &fresh, mode, outer);
}

/* The word {state, family} of a backend that takes connections. */
#define ACTIVE_OF(family) (BACKEND_ACTIVE | (family) << 8)

/* Of a service in the default mode: GENERAL_PATH, DROP_INTERNAL, or the verdict. */
static __always_inline int dsr_plain(hook_ctx *ctx, void *frame, const __u32 family,
				     const __u8 protocol, const struct service *service,
				     __u32 index, const __u32 mode)
{
	struct inner inner = { .family = family, .protocol = protocol };
	__u32 now = clock_now(), chosen;
	__u64 word = *(volatile const __u64 *)&service->table;
	struct backend *backend;
	__u16 kind;
	__s32 slot;

	inner.length = dsr_length(ctx, frame, family, protocol);
	inner.hash = flow_hash(plain_client(frame, family), plain_vip(frame, family),
			       *(__u32 *)plain_l4(frame, family), protocol, family, service->flags);
	slot = read_slot(word, inner.hash);
	if (!inner.length || slot < 0)
		return GENERAL_PATH;
	chosen = slot_backend(word, slot);
	if (unlikely(slot & SLOT_TRACKED))
		backend = plain_tracked(frame, protocol, &inner, index, now, &chosen);
	else
		backend = bpf_map_lookup_elem(&backends, &chosen);
	if (!backend)
		return GENERAL_PATH;
	kind = *(volatile __u16 *)&backend->state;
	if (likely(kind == ACTIVE_OF(FAMILY_V4)))
		return dsr_plain_to(ctx, frame, protocol, index, &chosen, backend, &inner, now,
				    mode, FAMILY_V4);
	if (kind == ACTIVE_OF(FAMILY_V6))
		return dsr_plain_to(ctx, frame, protocol, index, &chosen, backend, &inner, now,
				    mode, FAMILY_V6);
	return GENERAL_PATH;
}

/* A packet to a VIP where mode, not SNAT, is the default. A service may be in
 * another mode. */
static __always_inline int dsr_to_vip(hook_ctx *ctx, void *frame, const __u32 family,
				      const __u8 protocol, const __u32 mode)
{
	__u32 index;
	struct service *service = plain_service(frame, family, protocol, &index);

	if (!service)
		return GENERAL_PATH;
	if (likely((service->flags & ~OTHER_FLAGS) == mode))
		return dsr_plain(ctx, frame, family, protocol, service, index, mode);
	if (family == FAMILY_V6 || is_dsr(service))
		return GENERAL_PATH;
	return forward_plain(ctx, frame, protocol);
}

/* The lookup that the default mode needs comes first: of the flow, which a DSR
 * packet has none of, or of the service. */
static __always_inline int plain_to_vip(hook_ctx *ctx, void *frame, const __u32 family,
					const __u8 protocol)
{
	switch (config.default_mode) {
	case MODE_IPIP:
		return dsr_to_vip(ctx, frame, family, protocol, MODE_IPIP);
	case MODE_GUE:
		return dsr_to_vip(ctx, frame, family, protocol, MODE_GUE);
	case MODE_L2:
		return dsr_to_vip(ctx, frame, family, protocol, MODE_L2);
	default:
		return family == FAMILY_V4 ? forward_plain(ctx, frame, protocol) : GENERAL_PATH;
	}
}
