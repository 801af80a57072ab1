/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Client to backend. The forward half of the flow, found by the client's
 * tuple, has all that rewriting needs; the record is visited once a second
 * and when the packet changes the flow's state.
 */
#pragma once

#include "dsr.h"
#include "new_flow.h"
#include "scratch.h"
#include "rewrite.h"

enum { FLOW_KEEP = GO_ON, FLOW_ANEW = 1 };

static __always_inline int backend_gone(const struct backend *backend, __u16 generation)
{
	return !backend || backend->state == BACKEND_FREE || backend->generation != generation;
}

/* Does the service's table send this flow to the backend it has? */
static __always_inline int slot_names(struct packet *pkt, __u32 backend)
{
	__u32 before = pkt->service, chosen;
	struct service *service = service_of(pkt);

	pkt->service = before;
	return service && choose_backend(pkt, service, &chosen) == GO_ON && chosen == backend;
}

static __always_inline int start_anew(struct flow_record *record, const struct flow_forward *flow,
				      __u32 now)
{
	life_detach(record, flow->record_generation, now);
	return FLOW_ANEW;
}

/* A SYN for a tuple that has a flow: a retransmission, or a new connection? */
static __always_inline int review_syn(struct packet *pkt, const struct flow_forward *flow,
				      struct flow_record *record, union life life, int gone)
{
	if (gone || life.state == FLOW_CLOSED)
		return start_anew(record, flow, pkt->now);
	if (life.state != FLOW_SYN && !slot_names(pkt, flow->backend))
		return start_anew(record, flow, pkt->now);
	life_touch(record, flow->record_generation, pkt, 1);
	return FLOW_KEEP;
}

/*
 * Whatever is more than "known flow, seen lately, plain packet": keep the
 * flow, choose anew, or drop.
 */
static __noinline int review_flow(struct packet *pkt, const struct flow_key6 *tuple,
				  struct flow_forward *flow, int gone)
{
	struct flow_record *record;
	union life life;
	int due;

	if (!pkt || !tuple || !flow)
		return DROP(DROP_INTERNAL);
	due = pkt->now - flow->checked >= config.hz;
	record = bpf_map_lookup_elem(&flow_records, &flow->record);
	if (!record)
		return DROP(DROP_INTERNAL);
	life = life_read(record);
	if (gone && !is_syn(pkt)) {
		if (pkt->protocol == IPPROTO_TCP)
			return DROP(DROP_BACKEND_GONE);
		return start_anew(record, flow, pkt->now);
	}
	if ((due || is_syn(pkt)) &&
	    (life.generation != flow->record_generation || !life_live(life))) {
		delete_flow(tuple, pkt->family);
		count_event(EVENT_FLOW_ORPHAN, pkt->length);
		return FLOW_ANEW;
	}
	if (is_syn(pkt))
		return review_syn(pkt, flow, record, life, gone);
	if (due && pkt->protocol == IPPROTO_UDP && life_expired(life, pkt->now))
		return start_anew(record, flow, pkt->now);
	life_touch(record, flow->record_generation, pkt, 1);
	if (due)
		flow->checked = pkt->now;
	return FLOW_KEEP;
}

static __always_inline int is_plain(const struct packet *pkt, const struct flow_forward *flow)
{
	return pkt->now - flow->checked < config.hz &&
	       !(pkt->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

/* A function of its own, so that its stack is not below the others'. */
static __noinline int send_to_backend(hook_ctx *ctx, const struct packet *pkt,
				      const struct flow_forward *flow,
				      const struct backend *backend)
{
	struct rewrite to = {};
	struct next_hop *hop;
	int result;

	if (!pkt || !flow || !backend)
		return DROP(DROP_INTERNAL);
	hop = next_hop_at(ctx, pkt, backend->next_hop);
	if (unlikely(is_too_long(ctx, pkt, hop))) {
		result = refuse_translated(ctx, pkt, hop->mtu);
		if (result)
			return result;
		hop = NULL;
	}
	to.source = flow->snat_addr;
	to.destination = backend->addr;
	to.ports = flow->snat_port | (__u32)backend->port << 16;
	to.l3_delta = flow->l3_delta;
	to.l4_delta = flow->l4_delta;
	count_in(flow->backend, pkt->length);
	result = rewrite_packet(ctx, pkt, &to);
	if (result)
		return result;
	return send_to(ctx, pkt, hop);
}

/* Opens a flow in scratch->opened; known: its tuple has a detached one. */
static __always_inline int open_anew(hook_ctx *ctx, struct scratch *scratch, int known)
{
	struct packet *pkt = &scratch->pkt;
	int result;

	pkt->service = 0;
	result = open_flow(pkt, &scratch->tuple, &scratch->opened);
	if (!result)
		find_way_back(ctx, pkt, scratch->opened.record);
	else if (known) /* detached, and nothing overwrote it */
		delete_flow(&scratch->tuple, pkt->family);
	return result;
}

/* Sets pkt->service if so. */
static __always_inline int is_of_dsr(struct packet *pkt)
{
	struct service *service = service_of(pkt);

	if (service && is_dsr(service))
		return 1;
	pkt->service = 0;
	return 0;
}

static __noinline int forward(hook_ctx *ctx, struct scratch *scratch)
{
	struct flow_forward *flow;
	struct backend *backend;
	struct packet *pkt;
	int result = FLOW_KEEP, gone;

	if (!scratch)
		return DROP(DROP_INTERNAL);
	pkt = &scratch->pkt;
	if (pkt->ttl <= 1)
		return DROP(DROP_TTL);
	if (config.default_mode != MODE_SNAT && is_of_dsr(pkt))
		return forward_dsr(ctx, scratch);
	tuple_of(pkt, &scratch->tuple);
	flow = find_flow(&scratch->tuple, pkt->family);
	if (likely(flow)) {
		backend = bpf_map_lookup_elem(&backends, &flow->backend);
		gone = backend_gone(backend, flow->backend_generation);
		pkt->service = flow->service;
		if (gone || !is_plain(pkt, flow))
			result = review_flow(pkt, &scratch->tuple, flow, gone);
	}
	if (unlikely(!flow || result == FLOW_ANEW)) {
		result = open_anew(ctx, scratch, flow != NULL);
		if (result == CHOSE_DSR)
			return forward_dsr(ctx, scratch);
		flow = &scratch->opened;
	}
	if (unlikely(result))
		return result;
	backend = bpf_map_lookup_elem(&backends, &flow->backend);
	return backend ? send_to_backend(ctx, pkt, flow, backend) : DROP(DROP_INTERNAL);
}
