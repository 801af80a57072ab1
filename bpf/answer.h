/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Backend to client: an answer to a SNAT address. The record is found by its
 * index, (SNAT address, port); the packet's source must be the flow's backend.
 */
#pragma once

#include "forward.h"

static __always_inline struct backend *matching_backend(const struct flow_record *record,
							union life life,
							const struct packet *pkt)
{
	struct backend *backend;

	if (!life_live(life) || record->protocol != pkt->protocol)
		return NULL;
	backend = bpf_map_lookup_elem(&backends, &record->backend);
	if (backend_gone(backend, record->backend_generation))
		return NULL;
	if (!backend || !same_address(backend->addr, pkt->source) || backend->port != source_port(pkt))
		return NULL;
	return backend;
}

/* The record of a flow that shares its port with another backend's. */
static __noinline struct flow_record *find_shared(const struct packet *pkt)
{
	struct shared_key key;
	__u32 *index;

	if (!pkt)
		return NULL;
	copy_address(key.backend, pkt->source);
	key.backend_port = source_port(pkt);
	key.snat_port = destination_port(pkt);
	key.snat_index = pkt->snat_number;
	key.protocol = pkt->protocol;
	key.family = pkt->family;
	index = bpf_map_lookup_elem(&snat_shared, &key);
	return index ? bpf_map_lookup_elem(&flow_records, index) : NULL;
}

/* State, time and, once a second, the way to the client. */
static __noinline int update_answered(hook_ctx *ctx, const struct packet *pkt,
				      struct flow_record *record, __u32 generation)
{
	union life life;
	int due;

	if (!record || !pkt)
		return 0;
	life = life_read(record);
	due = life.state != FLOW_CLOSED && pkt->now - life.seen >= config.hz;
	life_touch(record, generation, pkt, 0);
	if (due)
		record->client_next_hop = find_client_next_hop(ctx, record->client, pkt->family,
							       pkt->now);
	return 0;
}

static __always_inline int answer_is_plain(const struct packet *pkt, union life life)
{
	return !(pkt->tcp_flags & (TCP_FIN | TCP_RST)) && life.state != FLOW_UDP &&
	       (life.state == FLOW_CLOSED || pkt->now - life.seen < config.hz);
}

/* The next hop as it is to be used. Another life of it means: it serves another
 * gateway now. */
static __always_inline struct next_hop *client_next_hop(hook_ctx *ctx, const struct packet *pkt,
							struct flow_record *record)
{
	__u32 handle = record->client_next_hop, index = handle & 0xffff;
	struct next_hop *hop = index ? bpf_map_lookup_elem(&next_hops, &index) : NULL;

	if (hop && unlikely(hop->generation != handle >> 16)) {
		handle = find_client_next_hop(ctx, record->client, pkt->family, pkt->now);
		record->client_next_hop = handle;
	}
	return next_hop_at(ctx, pkt, handle & 0xffff);
}

static __always_inline int send_to_client(hook_ctx *ctx, const struct packet *pkt,
					  struct flow_record *record)
{
	struct rewrite to = {
		.source = record->vip, .destination = record->client,
		.ports = record->vip_port | (__u32)record->client_port << 16,
		.l3_delta = record->l3_delta, .l4_delta = record->l4_delta,
	};
	struct next_hop *hop = client_next_hop(ctx, pkt, record);
	int result;

	if (unlikely(is_too_long(ctx, pkt, hop))) {
		result = refuse_translated(ctx, pkt, hop->mtu);
		if (result)
			return result;
		hop = NULL;
	}
	count_out(record->backend, pkt->length);
	result = rewrite_packet(ctx, pkt, &to);
	if (result)
		return result;
	return send_to(ctx, pkt, hop);
}

/* The record that an answer belongs to, or NULL. */
static __noinline struct flow_record *find_record(const struct packet *pkt)
{
	struct flow_record *record;
	__u32 port, index;
	union life life;

	if (!pkt)
		return NULL;
	port = bpf_ntohs(destination_port(pkt));
	index = (__u32)pkt->snat_number << 16 | port;
	if (port < config.snat_port_min || port > config.snat_port_max)
		return NULL;
	record = bpf_map_lookup_elem(&flow_records, &index);
	if (!record)
		return NULL;
	life = life_read(record);
	if (likely(matching_backend(record, life, pkt)))
		return record;
	record = life.flags & FLOW_F_SHARED ? find_shared(pkt) : NULL;
	if (!record || !matching_backend(record, life_read(record), pkt))
		return NULL;
	return record;
}

static __noinline int answer(hook_ctx *ctx, struct scratch *scratch)
{
	struct flow_record *record;
	struct packet *pkt;
	union life life;

	if (!scratch)
		return DROP(DROP_INTERNAL);
	pkt = &scratch->pkt;
	record = find_record(pkt);
	if (!record)
		return DROP(DROP_SNAT_NO_FLOW);
	life = life_read(record);
	pkt->service = record->service;
	if (pkt->ttl <= 1)
		return DROP(DROP_TTL);
	if (unlikely(!answer_is_plain(pkt, life)))
		update_answered(ctx, pkt, record, life.generation);
	return send_to_client(ctx, pkt, record);
}
