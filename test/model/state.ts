/**
 * What the model knows: the same things the maps hold, in shapes chosen for
 * reading. Names of reasons, events and states are those of bpf/types.h.
 *
 * The state is changed in place by a packet.
 */
import type { Address } from './bytes.ts';
import type { HashedParts } from './choose-backend.ts';
import type { FlowName, OwnerTable, RememberedFlow } from './tracked.ts';

export type DropReason =
  | 'DROP_TRUNCATED'
  | 'DROP_BAD_HEADER'
  | 'DROP_EARLY_FRAGMENT'
  | 'DROP_UNKNOWN_PROTOCOL'
  | 'DROP_ICMP'
  | 'DROP_UNKNOWN_VIP'
  | 'DROP_UNKNOWN_PORT'
  | 'DROP_NO_BACKEND'
  | 'DROP_NO_FLOW'
  | 'DROP_BACKEND_GONE'
  | 'DROP_SNAT_EXHAUSTED'
  | 'DROP_SNAT_TABLE'
  | 'DROP_SNAT_NO_FLOW'
  | 'DROP_TTL'
  | 'DROP_NO_ROUTE'
  | 'DROP_REJECT_LIMITED'
  | 'DROP_INTERNAL'
  | 'DROP_EXTENSION_HEADER'
  | 'DROP_ICMP_NO_FLOW'
  | 'DROP_SOURCE_RANGE'
  | 'DROP_TOO_BIG'
  | 'DROP_OFF_SEGMENT';

export type EventKind =
  | 'EVENT_ECHO_ANSWERED'
  | 'EVENT_REJECTED'
  | 'EVENT_TO_KERNEL'
  | 'EVENT_SNAT_SHARED'
  | 'EVENT_SNAT_REUSED_EARLY'
  | 'EVENT_FLOW_ORPHAN'
  | 'EVENT_SNAT_PASSED'
  | 'EVENT_REMEMBERED'
  | 'EVENT_NOT_REMEMBERED'
  | 'EVENT_TOO_BIG_ANSWERED'
  | 'EVENT_TTL_ANSWERED'
  | 'EVENT_ICMP_FORWARDED'
  | 'EVENT_FRAGMENT_FOLLOWED';

/** In the order of enum flow_state. */
export const FLOW_STATES = [
  'FLOW_FREE',
  'FLOW_CLAIMED',
  'FLOW_SYN',
  'FLOW_ESTABLISHED',
  'FLOW_FIN_CLIENT',
  'FLOW_FIN_BACKEND',
  'FLOW_CLOSED',
  'FLOW_UDP',
  'FLOW_UDP_REPLIED',
] as const;
export type FlowState = (typeof FLOW_STATES)[number];

/** How packets travel to a service's backends; in all but `snat` the backend answers the client itself. */
export type Mode = 'snat' | 'ipip' | 'gue' | 'l2';

/** Addresses and their mask. */
export interface Range {
  readonly network: Address;
  readonly mask: Address;
}

export interface ModelConfig {
  readonly hashSeed: bigint;
  readonly vips: readonly Range[];
  /** Which lookup comes first. */
  readonly defaultMode: Mode;
  /** Where outer headers come from: network | (flow hash & ~mask). */
  readonly outer4: { readonly network: number; readonly mask: number };
  readonly outer6: { readonly network: bigint; readonly mask: bigint };
  readonly guePort: number;
  /** Of a service and CPU. */
  readonly rememberPerSecond: number;
  /** Every SNAT address, in order of its number: IPv4's first. */
  readonly snat: ReadonlyArray<{ readonly address: Address; readonly own: boolean }>;
  readonly portMin: number;
  readonly portMax: number;
  readonly extraRecords: number;
  readonly clientNextHopsFirst: number;
  readonly clientNextHopsMask: number;
  /** Jiffies in a second. */
  readonly hz: number;
  /** Jiffies. */
  readonly timeout: Readonly<Record<FlowState, number>>;
  readonly rejectPerSecond: number;
  readonly answerEcho: boolean;
  readonly answerTtl: boolean;
  readonly rejectUnknownPort: boolean;
  readonly rejectNoBackend: boolean;
  readonly rejectNoFlow: boolean;
  /** CPUs start their walks apart. */
  readonly cpus: number;
  /** max_entries of flows4, of flows6, and of snat_shared. */
  readonly maxFlows: number;
  readonly maxFlows6: number;
  readonly maxShared: number;
  /** Of each family. */
  readonly maxRemembered: number;
}

export interface Service {
  /** Counts the lives of this index. */
  readonly generation: number;
  readonly mode: Mode;
  readonly hashed?: HashedParts;
  /** Undefined: any client may come. */
  readonly sources?: readonly Range[];
  /** Undefined: the service has no table. */
  table: OwnerTable | undefined;
  /** Of a window; undefined: none is open. */
  readonly oldest?: OwnerTable;
  /** Jiffies of the last change that tracked a slot. */
  windowStart: number;
  /** Jiffies. */
  readonly windowTcp: number;
  readonly windowUdp: number;
}

export interface Backend {
  address: Address;
  port: number;
  nextHop: number;
  generation: number;
  state: 'BACKEND_FREE' | 'BACKEND_ACTIVE' | 'BACKEND_DRAINING';
  /** Whose block it is in. */
  service: number;
}

export interface NextHop {
  state: 'NEXT_HOP_UNRESOLVED' | 'NEXT_HOP_VALID' | 'NEXT_HOP_BLACKHOLE';
  destinationMac: Uint8Array;
  sourceMac: Uint8Array;
  vlan: number;
  ifindex: number;
  refreshed: number;
  /** Of the way there; 0: not known. */
  mtu: number;
  /** The way to a backend leads over a gateway. */
  isRouted: boolean;
  address: Address;
  inUse: boolean;
  generation: number;
}

/** The forward half of a flow. */
export interface Forward {
  snatAddress: Address;
  snatPort: number;
  backend: number;
  backendGeneration: number;
  record: number;
  recordGeneration: number;
  service: number;
  checked: number;
}

export interface FlowRecord {
  client: Address;
  clientPort: number;
  vip: Address;
  vipPort: number;
  protocol: number;
  backend: number;
  backendGeneration: number;
  /** The backend's address and port when the flow began. */
  backendAddress: Address;
  backendPort: number;
  service: number;
  snatIndex: number;
  snatPort: number;
  clientNextHop: { readonly index: number; readonly generation: number };
  seen: number;
  generation: number;
  state: FlowState;
  shared: boolean;
  extra: boolean;
  detached: boolean;
}

export interface Traffic {
  packetsIn: number;
  bytesIn: number;
  packetsOut: number;
  bytesOut: number;
  flows: number;
}

export interface Counters {
  readonly drops: Map<DropReason, { packets: number; bytes: number }>;
  readonly events: Map<EventKind, { packets: number; bytes: number }>;
  readonly services: Map<number, Traffic>;
  readonly backends: Map<number, Traffic>;
  /** Keyed by `service reason`. */
  readonly serviceDrops: Map<string, number>;
}

/** Position the next walk begins at. */
export interface Cursor {
  direct: number;
  extra: number;
  /** Jiffies of the last fruitless walk; 0: none. */
  exhaustedAt: number;
}

/** What the kernel's routing table says for a destination. */
export interface FibAnswer {
  /** no-neighbour: a route, but no MAC address yet. failed: no usable route. */
  readonly result: 'valid' | 'blackhole' | 'no-neighbour' | 'failed';
  /** Whom to resolve: the gateway, or the destination itself when it is on the link. */
  readonly gateway: Address;
  readonly ifindex: number;
  readonly destinationMac: Uint8Array;
  readonly sourceMac: Uint8Array;
  /** 0 unless valid. */
  readonly mtu: number;
}

/** A token bucket. */
export interface Budget {
  /** Jiffies. */
  refilled: number;
  tokens: number;
}

/** Ports that later fragments have, as the first one had them. */
export interface FragmentPorts {
  readonly sourcePort: number;
  readonly destinationPort: number;
  seen: number;
}

export interface ModelState {
  readonly config: ModelConfig;
  /** {@link frontendKey} to service index; port 0, protocol 0: the VIP is in use. */
  readonly frontends: Map<string, number>;
  readonly services: Map<number, Service>;
  readonly backends: Map<number, Backend>;
  readonly nextHops: Map<number, NextHop>;
  /** Device behind an ifindex that the FIB names. */
  readonly egressDevices: Map<number, { readonly ifindex: number; readonly vlan: number }>;
  fib: (destination: Address, ingressIfindex: number) => FibAnswer;
  /** {@link flowKey} to forward half. */
  readonly flows: Map<string, Forward>;
  readonly records: Map<number, FlowRecord>;
  /** {@link sharedKey} to record index. */
  readonly shared: Map<string, number>;
  /** By CPU; IPv6's 512 further on. */
  readonly cursors: Map<number, Cursor>;
  /** {@link fragmentKey} to what the first fragment taught. */
  readonly fragments: Map<string, FragmentPorts>;
  /** Of each kind of answer, by CPU. */
  readonly answerBudgets: Readonly<Record<AnswerKind, Map<number, Budget>>>;
  /** {@link flowKey} to the flow, {@link clientKey} to what is remembered of a client. */
  readonly remembered: Readonly<Record<4 | 6, Map<FlowName, RememberedFlow>>>;
  /** By service; of the CPU that all packets of a run are on. */
  readonly rememberBudgets: Map<number, Budget>;
  readonly counters: Counters;
}

export const fragmentKey = (source: Address, destination: Address, id: number, protocol: number): string =>
  `${text(source)}>${text(destination)}#${id}/${protocol}`;

/** IPv6 addresses are told from IPv4's by the way they are written. */
const text = (address: Address): string =>
  typeof address === 'bigint' ? `0x${address.toString(16)}` : `${address}`;

export const frontendKey = (vip: Address, port: number, protocol: number): string =>
  `${text(vip)}:${port}/${protocol}`;

export const flowKey = (
  client: Address,
  vip: Address,
  clientPort: number,
  vipPort: number,
  protocol: number,
): string => `${text(client)}:${clientPort}>${text(vip)}:${vipPort}/${protocol}`;

/** Of a client of a service with affinity; a flow may have port 0 too, so it is marked. */
export const clientKey = (client: Address, vip: Address, vipPort: number, protocol: number): string =>
  flowKey(client, vip, 0, vipPort, protocol | KEY_OF_CLIENT);

/** In the number of a protocol. */
const KEY_OF_CLIENT = 0x100;

/** What {@link clientKey} was made of, too. */
export const protocolOf = (number: number): number => number & ~KEY_OF_CLIENT;

export const sharedKey = (
  backend: Address,
  backendPort: number,
  snatIndex: number,
  snatPort: number,
  protocol: number,
): string => `${text(backend)}:${backendPort}<${snatIndex}:${snatPort}/${protocol}`;

export const emptyCounters = (): Counters => ({
  drops: new Map(),
  events: new Map(),
  services: new Map(),
  backends: new Map(),
  serviceDrops: new Map(),
});

export function emptyState(config: ModelConfig, fib: ModelState['fib']): ModelState {
  return {
    config,
    frontends: new Map(),
    services: new Map(),
    backends: new Map(),
    nextHops: new Map(),
    egressDevices: new Map(),
    fib,
    flows: new Map(),
    records: new Map(),
    shared: new Map(),
    cursors: new Map(),
    fragments: new Map(),
    answerBudgets: { reject: new Map(), timeExceeded: new Map(), tooBig: new Map() },
    remembered: { 4: new Map(), 6: new Map() },
    rememberBudgets: new Map(),
    counters: emptyCounters(),
  };
}

/** The record at an index; one that was never written is free. */
export function recordAt(state: ModelState, index: number): FlowRecord {
  let record = state.records.get(index);
  if (record === undefined) {
    record = freeRecord();
    state.records.set(index, record);
  }
  return record;
}

export const freeRecord = (): FlowRecord => ({
  client: 0,
  clientPort: 0,
  vip: 0,
  vipPort: 0,
  protocol: 0,
  backend: 0,
  backendGeneration: 0,
  backendAddress: 0,
  backendPort: 0,
  service: 0,
  snatIndex: 0,
  snatPort: 0,
  clientNextHop: { index: 0, generation: 0 },
  seen: 0,
  generation: 0,
  state: 'FLOW_FREE',
  shared: false,
  extra: false,
  detached: false,
});

/** `now - then` modulo 2^32. */
export const age = (now: number, then: number): number => (now - then) >>> 0;

/** What a VIP answers by itself. */
export type AnswerKind = 'reject' | 'timeExceeded' | 'tooBig';

/** Jiffies: so little in the future is now, as another CPU has it. */
export const CLOCK_SKEW = 1024;
