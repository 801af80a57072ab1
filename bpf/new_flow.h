/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A packet to a VIP that belongs to no flow: which service, which backend,
 * which SNAT port; then the record and the forward half. The record is
 * published last, so an answer finds it complete or not at all.
 */
#pragma once

#include "checksum.h"
#include "next_hop.h"
#include "snat_ports.h"
#include "choose.h"

static __always_inline void write_forward(struct flow_forward *forward, const struct packet *pkt,
					  const struct backend *backend, const struct claim *claim)
{
	__u32 addresses;

	snat_address(claim->tuple.snat_index, pkt->family, forward->snat_addr);
	forward->backend_generation = backend->generation;
	forward->snat_port = claim->tuple.snat_port;
	addresses = address_diff(pkt->source, forward->snat_addr) +
		    address_diff(pkt->destination, backend->addr);
	forward->l3_delta = checksum_fold(addresses + TTL_LESS_ONE_DELTA);
	forward->l4_delta = checksum_fold(addresses +
		checksum_diff(pkt->ports, forward->snat_port | (__u32)backend->port << 16));
	forward->record = claim->found - 1;
	forward->record_generation = claim->generation;
	forward->service = pkt->service;
	forward->checked = pkt->now - config.hz; /* the next packet visits the record */
}

static __always_inline void write_record(struct flow_record *record, const struct packet *pkt,
					 const struct flow_forward *forward,
					 const struct claim *claim)
{
	/* The answer's addresses change the other way, its TTL does not. */
	__u16 addresses = checksum_fold(forward->l3_delta + (__u16)~TTL_LESS_ONE_DELTA);

	__builtin_memset(record, 0, offsetof(struct flow_record, seen));
	copy_address(record->client, pkt->source);
	copy_address(record->vip, pkt->destination);
	record->client_port = source_port(pkt);
	record->vip_port = destination_port(pkt);
	record->backend = forward->backend;
	record->service = forward->service;
	record->backend_generation = forward->backend_generation;
	record->l3_delta = checksum_fold((__u16)~addresses + TTL_LESS_ONE_DELTA);
	record->l4_delta = ~forward->l4_delta;
	record->snat_port = forward->snat_port;
	record->snat_index = claim->tuple.snat_index;
	record->protocol = pkt->protocol;
}

static __always_inline void publish_record(struct flow_record *record, const struct packet *pkt)
{
	union life claimed = life_read(record), life = claimed;

	life.state = pkt->protocol == IPPROTO_TCP ? FLOW_SYN : FLOW_UDP;
	life_swap(record, claimed, life);
}

/* Undoes a claim whose forward half found no place. */
static __noinline int abandon_claim(struct flow_record *record, __u32 index)
{
	union life life;

	if (!record)
		return DROP(DROP_INTERNAL);
	life = life_read(record);
	remove_halves(record, index, life.generation, life.flags);
	release_record(record, life.generation);
	return DROP(DROP_SNAT_TABLE);
}

/* Opens a flow for pkt and fills *forward; sets pkt->service. */
static __noinline int open_flow(struct packet *pkt, const struct flow_key6 *tuple,
				struct flow_forward *forward)
{
	struct claim claim = {};
	struct flow_record *record;
	struct backend *backend;
	__u32 index;
	int result;

	if (!pkt || !tuple || !forward)
		return DROP(DROP_INTERNAL);
	result = choose(pkt, &forward->backend);
	if (result)
		return result;
	index = forward->backend;
	backend = bpf_map_lookup_elem(&backends, &index);
	if (!backend || backend->state == BACKEND_FREE)
		return DROP(DROP_INTERNAL);
	copy_address(claim.tuple.backend, backend->addr);
	claim.tuple.backend_port = backend->port;
	claim.tuple.protocol = pkt->protocol;
	claim.tuple.family = pkt->family;
	claim.now = pkt->now;
	result = find_snat_port(&claim);
	if (result)
		return result;
	index = claim.found - 1;
	record = bpf_map_lookup_elem(&flow_records, &index);
	if (!record)
		return DROP(DROP_INTERNAL);
	write_forward(forward, pkt, backend, &claim);
	write_record(record, pkt, forward, &claim);
	if (store_flow(tuple, forward, pkt->family))
		return abandon_claim(record, index);
	publish_record(record, pkt);
	count_flow(forward->backend);
	return GO_ON;
}

/* Once a flow is open, before its first packet leaves: the way back. */
static __noinline int find_way_back(hook_ctx *ctx, const struct packet *pkt, __u32 index)
{
	struct flow_record *record = bpf_map_lookup_elem(&flow_records, &index);

	if (record && pkt)
		record->client_next_hop = find_client_next_hop(ctx, pkt->source, pkt->family,
							       pkt->now);
	return 0;
}
