/** Names of drop reasons and events as people see them, and what to make of them. */
import { dropReason, dropReasonNames, eventKind, eventKindNames } from '../../layout/generated.ts';

const DROP_HELP: Record<Exclude<keyof typeof dropReason, 'DROP_NONE' | 'DROP_REASONS'>, string> = {
  DROP_TRUNCATED: 'The packet is shorter than its headers say: a broken sender or path.',
  DROP_BAD_HEADER: 'Header or total length makes no sense: a broken sender, or a scan.',
  DROP_UNKNOWN_PROTOCOL: 'Neither TCP, UDP nor ICMP: nothing else is balanced.',
  DROP_ICMP: 'An ICMP message other than an answered echo.',
  DROP_UNKNOWN_VIP: 'An address of the ranges that no service has: a scan, or a service is missing.',
  DROP_UNKNOWN_PORT:
    'The VIP is served, this port is not. Scans do this; else check the ports of the Service.',
  DROP_NO_BACKEND: 'The service has no backend for new flows: check its EndpointSlices.',
  DROP_NO_FLOW: 'TCP without SYN and without a known flow: older than its timeout, or from another node.',
  DROP_BACKEND_GONE: 'The backend of the flow was removed: the client has to connect again.',
  DROP_SNAT_EXHAUSTED:
    'No SNAT port is left towards the backend: add SNAT addresses, or raise snat.sharedFlows.',
  DROP_SNAT_TABLE: 'The table of flows is full: add SNAT addresses, or shorten timeouts.',
  DROP_SNAT_NO_FLOW: 'An answer to a SNAT address that no flow has: late, after its timeout, or a scan.',
  DROP_TTL: 'The packet would leave with a TTL of zero: look for a routing loop.',
  DROP_NO_ROUTE: 'The route towards the next hop is a blackhole: check the routes of the node.',
  DROP_REJECT_LIMITED:
    'A reject that the rate limit held back: raise reject.perSecond if that is not a flood.',
  DROP_INTERNAL: 'An entry of the maps that must exist does not: please report it.',
  DROP_EXTENSION_HEADER: 'IPv6 extension headers that are too many, too long, or must not be forwarded.',
  DROP_EARLY_FRAGMENT: 'A later fragment came before the first one, or that one was lost.',
  DROP_ICMP_NO_FLOW: 'An ICMP error that quotes a packet of no known flow: late, or forged.',
  DROP_SOURCE_RANGE: 'The client is in none of the loadBalancerSourceRanges of the service.',
  DROP_TOO_BIG:
    'Too big for the way to the backend, or in SNAT mode to the client: raise the MTU there, or see that senders hear of it.',
  DROP_OFF_SEGMENT:
    'The service is in mode l2 and the backend behind a gateway: use mode ipip or gue, or repair the route.',
};

const EVENT_HELP: Record<Exclude<keyof typeof eventKind, 'EVENT_KINDS'>, string> = {
  EVENT_ECHO_ANSWERED: 'Pings of a VIP that were answered.',
  EVENT_REJECTED: 'TCP RST or ICMP port unreachable sent.',
  EVENT_TO_KERNEL:
    'Handed to the kernel, because the next hop was not resolved: check neighbours and routes.',
  EVENT_SNAT_SHARED: 'New flows on a SNAT port that a flow to another backend uses too.',
  EVENT_SNAT_REUSED_EARLY: 'A SNAT port reused before its hold time ended: add SNAT addresses.',
  EVENT_FLOW_ORPHAN: 'Entries of flows that had ended, removed when a packet met them.',
  EVENT_SNAT_PASSED: "To the node's own SNAT address and of no flow: left to the kernel.",
  EVENT_REMEMBERED: 'Flows of tracked slots that were remembered, while a change of backends settles.',
  EVENT_NOT_REMEMBERED:
    'Flows of tracked slots that were not remembered, by rate or for want of room: with the former backend.',
  EVENT_TOO_BIG_ANSWERED:
    'Packets too big for their way, to the backend or to the client: the sender was told the MTU.',
  EVENT_TTL_ANSWERED: 'Time-exceeded sent, as traceroute asks for.',
  EVENT_ICMP_FORWARDED: 'ICMP errors that followed the flow they are about.',
  EVENT_FRAGMENT_FOLLOWED: 'Later fragments that followed the first one.',
};

export interface CounterName {
  readonly index: number;
  /** `unknown-port` */
  readonly name: string;
  readonly help: string;
}

/** `DROP_UNKNOWN_PORT` is `unknown-port`. */
export function plainName(name: string): string {
  return name
    .replace(/^[A-Z]+_/, '')
    .toLowerCase()
    .replaceAll('_', '-');
}

export const DROP_COUNTERS: readonly CounterName[] = named(DROP_HELP, dropReason, dropReasonNames);
export const EVENT_COUNTERS: readonly CounterName[] = named(EVENT_HELP, eventKind, eventKindNames);

function named<K extends string>(
  help: Record<K, string>,
  members: Readonly<Record<K, number>>,
  names: Readonly<Record<number, string>>,
): CounterName[] {
  return (Object.keys(help) as K[]).map((key) => {
    const index = members[key];
    return { index, name: plainName(names[index] ?? key), help: help[key] };
  });
}
