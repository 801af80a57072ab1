/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flows of tracked slots: docs/consistency.md, "The rule for a packet". What
 * begins goes to the slot's new owner and is remembered, what began before
 * stays with the oldest one. Nothing begins unremembered with anybody else.
 */
#pragma once

#include "counters.h"
#include "maglev.h"
#include "recent.h"

static __always_inline int backend_is(__u32 index, enum backend_state at_least)
{
	struct backend *backend = bpf_map_lookup_elem(&backends, &index);

	if (!backend || backend->state == BACKEND_FREE)
		return 0;
	return at_least == BACKEND_DRAINING || backend->state == BACKEND_ACTIVE;
}

static __always_inline int takes_connections(__u32 index)
{
	return backend_is(index, BACKEND_ACTIVE);
}

static __always_inline int is_there(__u32 index)
{
	return backend_is(index, BACKEND_DRAINING);
}

/* The copy has what was read once: the entry may be another tuple's by now. */
static __always_inline void touch(struct scratch *scratch, const struct remembered *known)
{
	const struct packet *pkt = &scratch->pkt;
	struct remembered_flow seen = {
		.backend = known->backend, .backend_generation = known->generation,
		.state = known->flow->state, .seen = known->flow->seen,
	};
	__u8 state = remembered_state(seen.state, is_syn(pkt), pkt->tcp_flags);

	if (state != seen.state || pkt->now - seen.seen >= config.hz) {
		seen.state = known->flow->state = state;
		seen.seen = known->flow->seen = pkt->now;
	}
	copy_recent(scratch, &seen);
}

/* The tuple, and its copy. */
static __always_inline void forget(struct scratch *scratch)
{
	forget_remembered(&scratch->tuple, scratch->pkt.family);
	copy_recent(scratch, NULL);
}

/* Of a client only that it was seen. */
static __always_inline void renew(const struct packet *pkt, struct remembered_flow *client)
{
	if (pkt->now - client->seen >= config.hz)
		client->seen = pkt->now;
}

static __always_inline int go_to(struct scratch *scratch, __u32 backend)
{
	scratch->choice.backend = backend;
	return GO_ON;
}

static __always_inline int go_as_known(struct scratch *scratch, const struct remembered *known)
{
	touch(scratch, known);
	return go_to(scratch, known->backend);
}

static __always_inline __u8 first_state(const struct packet *pkt)
{
	if (pkt->protocol == IPPROTO_UDP)
		return FLOW_UDP;
	if (pkt->tcp_flags & TCP_RST)
		return FLOW_CLOSED;
	if (is_syn(pkt))
		return FLOW_SYN;
	return pkt->tcp_flags & TCP_FIN ? FLOW_FIN_CLIENT : FLOW_ESTABLISHED;
}

/* Writes the entries of the tuple and, if asked, of the client; only what is
 * not there yet costs a token. */
static __always_inline int write_remembered(struct scratch *scratch, __u32 to, int missing,
					    int with_client)
{
	struct backend *backend = bpf_map_lookup_elem(&backends, &to);
	const struct packet *pkt = &scratch->pkt;
	struct remembered_flow flow = {
		.backend = to, .state = first_state(pkt), .isn = scratch->choice.isn,
		.seen = pkt->now,
	};

	if (!backend || (missing && !take_remember_token(pkt->service, pkt->now)))
		return -1;
	flow.backend_generation = backend->generation;
	if (store_remembered(&scratch->tuple, &flow, pkt->family))
		return -1;
	copy_recent(scratch, &flow);
	if (!with_client)
		return 0;
	/* A client is kept like an idle connection, whatever its packets are. */
	flow.state = FLOW_ESTABLISHED;
	return store_remembered(&scratch->client, &flow, pkt->family);
}

/* Remembers whose flow it is. If that fails it is the oldest owner's, and an
 * older life of the tuple must not lead the next packets elsewhere. */
static __noinline int go_and_remember(struct scratch *scratch, __u32 to, __u32 oldest, int missing,
				      int with_client)
{
	if (!scratch)
		return DROP(DROP_INTERNAL);
	if (write_remembered(scratch, to, missing, with_client)) {
		forget(scratch);
		count_event(EVENT_NOT_REMEMBERED, scratch->pkt.length);
		return go_to(scratch, oldest);
	}
	count_event(EVENT_REMEMBERED, scratch->pkt.length);
	return go_to(scratch, to);
}

/* The entry of the tuple's client. */
static __noinline int find_client(struct scratch *scratch, struct remembered *found)
{
	if (!scratch || !found)
		return 0;
	scratch->client = scratch->tuple;
	scratch->client.client_port = 0;
	scratch->client.protocol |= KEY_OF_CLIENT;
	*found = find_remembered(&scratch->client, scratch->pkt.family, scratch->pkt.service);
	if (found->alive && is_syn(&scratch->pkt) && !takes_connections(found->backend))
		return 0;
	return found->alive;
}

static __always_inline int begins(const struct packet *pkt)
{
	return is_syn(pkt) || pkt->protocol == IPPROTO_UDP;
}

/* In the window, of a service that keeps its clients together; GO_ON + 1 if
 * the client is not known. */
static __always_inline int after_client(struct scratch *scratch, __u32 oldest, int known,
					struct remembered *client)
{
	if (!find_client(scratch, client))
		return GO_ON + 1;
	renew(&scratch->pkt, client->flow);
	if (!is_syn(&scratch->pkt))
		return go_to(scratch, client->backend);
	return go_and_remember(scratch, client->backend, oldest, !known, 0);
}

/* In the window, and nothing remembered decides. known: the tuple has an entry. */
static __always_inline int choose_in_window(struct scratch *scratch, __u32 oldest, __u32 flags,
				       int known)
{
	struct remembered client = {};
	__u32 owner;
	int result, affine;

	if (!scratch)
		return DROP(DROP_INTERNAL);
	owner = scratch->choice.backend;
	affine = flags & SERVICE_F_AFFINITY && begins(&scratch->pkt);
	if (affine) {
		result = after_client(scratch, oldest, known, &client);
		if (result <= GO_ON)
			return result;
	}
	if (oldest == owner || !is_there(oldest)) {
		forget(scratch);
		return GO_ON;
	}
	if (affine && !takes_connections(oldest))
		return go_and_remember(scratch, owner, oldest, !known || !client.flow, 1);
	if (affine || !is_syn(&scratch->pkt))
		return go_and_remember(scratch, oldest, oldest, !known, 0);
	return go_and_remember(scratch, owner, oldest, !known, 0);
}

/* After the window: where it is remembered to be, else to the slot's owner.
 * A connection that begins forgets the one before. Nothing is added, but new
 * connections of a client that is remembered. */
static __always_inline int choose_flipped(struct scratch *scratch, __u32 flags, struct remembered *known)
{
	struct packet *pkt;

	if (!scratch || !known)
		return DROP(DROP_INTERNAL);
	pkt = &scratch->pkt;
	if (known->alive && !is_syn(pkt) && known->flow && !remembered_idle(known->flow, pkt->now))
		return go_as_known(scratch, known);
	if (known->flow && is_syn(pkt))
		forget(scratch);
	if (!(flags & SERVICE_F_AFFINITY) || !begins(pkt) || !find_client(scratch, known) ||
	    !known->flow || remembered_idle(known->flow, pkt->now))
		return GO_ON;
	renew(pkt, known->flow);
	if (!is_syn(pkt))
		return go_to(scratch, known->backend);
	/* Its next packets know nothing of the client. */
	return go_and_remember(scratch, known->backend, scratch->choice.backend, 1, 0);
}

/* Of a tracked slot: from its owner in scratch->choice.backend, whose the
 * packet is instead. Programs read table, window_start, oldest, in this order. */
static __noinline int choose_tracked(struct scratch *scratch, const struct service *service)
{
	struct remembered known;
	struct packet *pkt;
	__u32 start, window;
	__u64 oldest;
	__s32 slot;

	if (!scratch || !service)
		return DROP(DROP_INTERNAL);
	pkt = &scratch->pkt;
	tuple_of(pkt, &scratch->tuple);
	known = find_remembered(&scratch->tuple, pkt->family, pkt->service);
	if (known.alive && known.flow && is_syn(pkt) && known.flow->state == FLOW_SYN &&
	    known.flow->isn == scratch->choice.isn)
		return go_as_known(scratch, &known);
	if (is_syn(pkt) && !takes_connections(scratch->choice.backend))
		return DROP(DROP_NO_BACKEND);
	window = pkt->protocol == IPPROTO_UDP ? service->window_udp : service->window_tcp;
	start = *(volatile const __u32 *)&service->window_start;
	oldest = *(volatile const __u64 *)&service->oldest;
	slot = read_slot(oldest, scratch->choice.hash);
	if (slot < 0 || pkt->now - start > window)
		return choose_flipped(scratch, service->flags, &known);
	if (known.alive && known.flow && !is_syn(pkt))
		return go_as_known(scratch, &known);
	return choose_in_window(scratch, slot_backend(oldest, slot), service->flags,
				known.flow != NULL);
}
