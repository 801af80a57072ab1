/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fragments. Only the first one has ports; it teaches them to the later ones
 * of its packet, by (source, destination, id, protocol), once it was let
 * through itself.
 */
#pragma once

#include "life.h"
#include "maps.h"
#include "packet.h"
#include "counters.h"

/* No receiver waits longer for the rest of a packet (RFC 8200, 4.5). */
#define FRAGMENT_SECONDS 60

static __always_inline void fragment_key_of(const struct packet *pkt, struct fragment_key *key)
{
	copy_address(key->source, pkt->source);
	copy_address(key->destination, pkt->destination);
	key->id = pkt->fragment_id;
	key->protocol = pkt->protocol;
	key->family = pkt->family;
	key->reserved = 0;
}

/* For ICMP the ports are type, code and checksum: those of an echo request. */
static __noinline int teach_ports(const struct packet *pkt)
{
	struct fragment_ports ports;
	struct fragment_key key;

	if (!pkt)
		return 0;
	fragment_key_of(pkt, &key);
	ports.ports = pkt->ports;
	ports.seen = pkt->now;
	return bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
}

/* The first one may have come to another CPU, and a moment after this one's clock
 * was read: devices spread first fragments by ports and later ones without. */
static __always_inline int is_late(__u32 age)
{
	return age > FRAGMENT_SECONDS * config.hz && age < -(__u32)LIFE_SKEW;
}

/* Gives a later fragment its ports. */
static __noinline int learn_ports(struct packet *pkt)
{
	struct fragment_ports *ports;
	struct fragment_key key;

	if (!pkt)
		return DROP(DROP_INTERNAL);
	fragment_key_of(pkt, &key);
	ports = bpf_map_lookup_elem(&fragments, &key);
	if (!ports || is_late(pkt->now - ports->seen))
		return DROP(DROP_EARLY_FRAGMENT);
	pkt->ports = ports->ports;
	count_event(EVENT_FRAGMENT_FOLLOWED, pkt->length);
	return GO_ON;
}
