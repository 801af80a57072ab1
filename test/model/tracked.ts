/**
 * The rule of tracked slots (docs/consistency.md, "The rule for a packet"): which backend a flow of a
 * service without SNAT goes to, and what is remembered of it. Changes `remembered` in place.
 */
import { age, CLOCK_SKEW, type FlowState } from './state.ts';

/** Whatever tells flows apart. */
export type FlowName = string | number;

export interface RememberedFlow {
  backend: number;
  generation: number;
  state: FlowState;
  /** Sequence number of the SYN that was remembered. */
  isn: number;
  seen: number;
}

export interface OwnerTable {
  readonly slots: ArrayLike<number>;
  readonly block: number;
}

export interface TrackedService {
  readonly hasAffinity: boolean;
  readonly table: OwnerTable | undefined;
  readonly oldest: OwnerTable | undefined;
  readonly windowStart: number;
  /** Jiffies, for the packet's protocol. */
  readonly window: number;
}

export interface FlowPacket {
  readonly hash: number;
  /** Key of the tuple, and of the same without ports. */
  readonly flow: FlowName;
  readonly client: FlowName;
  readonly protocol: 'TCP' | 'UDP';
  /** Of SYN, ACK, FIN, RST only SYN. */
  readonly syn: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  readonly sequence: number;
}

export interface TrackedWorld {
  readonly now: number;
  readonly hz: number;
  readonly timeout: Readonly<Record<FlowState, number>>;
  readonly remembered: Pick<Map<FlowName, RememberedFlow>, 'get' | 'set' | 'has' | 'delete' | 'size'>;
  readonly capacity: number;
  backend(index: number): { generation: number; state: string } | undefined;
  /** Whether the budget of the service and CPU has one more. */
  takeToken(): boolean;
}

/** Names of the rules, so that tests can tell which of them they reached. */
export const TRACKED_RULES = [
  'no table',
  'hash alone',
  'flipped: remembered',
  'flipped: the client is remembered',
  'flipped: owner',
  'flipped: SYN forgets',
  'retransmission',
  'SYN to the owner',
  'SYN to the oldest owner of a client',
  'SYN after the client',
  'remembered',
  'to the oldest owner',
  'datagram after the client',
  'owner is the oldest one',
  'oldest owner gone',
  'not remembered',
  'owner takes no connections',
] as const;
export type TrackedRule = (typeof TRACKED_RULES)[number];

export interface Choice {
  /** Index; undefined: dropped, for want of a backend. */
  readonly backend: number | undefined;
  readonly rule: TrackedRule;
  readonly event?: 'EVENT_REMEMBERED' | 'EVENT_NOT_REMEMBERED';
}

const TRACKED = 0x8000;
const OWNER = 0x7fff;

export function chooseTracked(world: TrackedWorld, service: TrackedService, packet: FlowPacket): Choice {
  const { table, oldest } = service;
  if (table === undefined) return { backend: undefined, rule: 'no table' };
  const owner = ownerAt(table, packet.hash);
  const hasMemory = isTracked(table, packet.hash);
  if (!hasMemory && !packet.syn) return { backend: owner, rule: 'hash alone' };
  const known = hasMemory ? living(world, packet.flow) : undefined;
  if (known !== undefined && isRetransmission(packet, known)) {
    touch(world, packet, known);
    return { backend: known.backend, rule: 'retransmission' };
  }
  // A table whose owners all drain keeps their flows and takes no connections.
  if (packet.syn && !takesConnections(world, owner)) {
    return { backend: undefined, rule: 'owner takes no connections' };
  }
  if (!hasMemory) return { backend: owner, rule: 'hash alone' };
  if (oldest === undefined || !windowIsOpen(world, service))
    return flipped(world, service, packet, owner, known);
  if (known !== undefined && !packet.syn) {
    touch(world, packet, known);
    return { backend: known.backend, rule: 'remembered' };
  }
  const former = ownerAt(oldest, packet.hash);
  if (service.hasAffinity) return inWindowOfClient(world, packet, owner, former);
  return inWindow(world, packet, owner, former);
}

function inWindow(world: TrackedWorld, packet: FlowPacket, owner: number, former: number): Choice {
  const unremembered = withoutMemory(world, packet, owner, former);
  if (unremembered !== undefined) return unremembered;
  if (packet.syn) {
    return remembering(world, packet, [packet.flow], owner, former, 'SYN to the owner');
  }
  return remembering(world, packet, [packet.flow], former, former, 'to the oldest owner');
}

function inWindowOfClient(world: TrackedWorld, packet: FlowPacket, owner: number, former: number): Choice {
  const isNew = packet.syn || packet.protocol === 'UDP';
  const client = isNew ? living(world, packet.client) : undefined;
  if (client !== undefined && (!packet.syn || takesConnections(world, client.backend))) {
    renew(world, client);
    const { backend } = client;
    if (!packet.syn) return { backend, rule: 'datagram after the client' };
    return remembering(world, packet, [packet.flow], backend, former, 'SYN after the client');
  }
  const unremembered = withoutMemory(world, packet, owner, former);
  if (unremembered !== undefined) return unremembered;
  if (isNew && !takesConnections(world, former)) {
    const keys = [packet.flow, packet.client];
    return remembering(world, packet, keys, owner, former, 'SYN to the owner');
  }
  const rule = packet.syn ? 'SYN to the oldest owner of a client' : 'to the oldest owner';
  return remembering(world, packet, [packet.flow], former, former, rule);
}

/** Where there is only one to choose: the same with memory or without, now and after later changes. */
function withoutMemory(
  world: TrackedWorld,
  packet: FlowPacket,
  owner: number,
  former: number,
): Choice | undefined {
  const isGone = !isThere(world, former);
  if (!isGone && former !== owner) return undefined;
  world.remembered.delete(packet.flow);
  return { backend: owner, rule: isGone ? 'oldest owner gone' : 'owner is the oldest one' };
}

/** What is not remembered is the live owner's. Nothing is added, but new connections of a known client. */
function flipped(
  world: TrackedWorld,
  service: TrackedService,
  packet: FlowPacket,
  owner: number,
  known: RememberedFlow | undefined,
): Choice {
  if (known !== undefined && !packet.syn && !isIdle(world, known)) {
    touch(world, packet, known);
    return { backend: known.backend, rule: 'flipped: remembered' };
  }
  const forgets = packet.syn && world.remembered.delete(packet.flow);
  const isNew = packet.syn || packet.protocol === 'UDP';
  const client = service.hasAffinity && isNew ? living(world, packet.client) : undefined;
  if (client !== undefined && !isIdle(world, client)) {
    const { backend } = client;
    const rule = 'flipped: the client is remembered';
    if (!packet.syn || takesConnections(world, backend)) renew(world, client);
    if (!packet.syn) return { backend, rule };
    // Its next packets know nothing of the client.
    if (takesConnections(world, backend)) {
      return remembering(world, packet, [packet.flow], backend, owner, rule);
    }
  }
  return { backend: owner, rule: forgets ? 'flipped: SYN forgets' : 'flipped: owner' };
}

/** Where there is no room, the packet goes where no memory is needed, so that no flow begins unremembered. */
function remembering(
  world: TrackedWorld,
  packet: FlowPacket,
  keys: readonly FlowName[],
  backend: number,
  otherwise: number,
  rule: TrackedRule,
): Choice {
  const { remembered, capacity } = world;
  const missing = keys.filter((key) => !remembered.has(key)).length;
  if (missing > 0 && (!world.takeToken() || remembered.size + missing > capacity)) {
    // An older life of the tuple must not lead the next packets elsewhere.
    remembered.delete(packet.flow);
    return { backend: otherwise, rule: 'not remembered', event: 'EVENT_NOT_REMEMBERED' };
  }
  const generation = world.backend(backend)?.generation ?? 0;
  const state = stateOf(packet);
  for (const key of keys) {
    // A client is kept like an idle connection, whatever its packets are.
    const own = key === packet.client ? 'FLOW_ESTABLISHED' : state;
    remembered.set(key, { backend, generation, state: own, isn: packet.sequence, seen: world.now });
  }
  return { backend, rule, event: 'EVENT_REMEMBERED' };
}

function slotAt(table: OwnerTable, hash: number): number {
  // The product stays below 2^49, which a number holds exactly.
  return table.slots[Math.floor((hash * table.slots.length) / 2 ** 32)] as number;
}

/** Index of the backend that a table names for a hash. */
export const ownerAt = (table: OwnerTable, hash: number): number =>
  table.block + (slotAt(table, hash) & OWNER);

export const isTracked = (table: OwnerTable, hash: number): boolean => (slotAt(table, hash) & TRACKED) !== 0;

export const windowIsOpen = (
  { now }: Pick<TrackedWorld, 'now'>,
  { oldest, windowStart, window }: Pick<TrackedService, 'oldest' | 'windowStart' | 'window'>,
): boolean => oldest !== undefined && age(now, windowStart) <= window;

/** What is remembered of a flow whose backend is still the one that it was. */
export function living(world: TrackedWorld, key: FlowName): RememberedFlow | undefined {
  const flow = world.remembered.get(key);
  if (flow === undefined || !isThere(world, flow.backend)) return undefined;
  return world.backend(flow.backend)?.generation === flow.generation ? flow : undefined;
}

export const isThere = (world: TrackedWorld, index: number): boolean =>
  (world.backend(index)?.state ?? 'BACKEND_FREE') !== 'BACKEND_FREE';

const takesConnections = (world: TrackedWorld, index: number): boolean =>
  world.backend(index)?.state === 'BACKEND_ACTIVE';

/** Another CPU may have seen it a moment after this one's clock was read. */
const isIdle = (world: TrackedWorld, flow: RememberedFlow): boolean => {
  const silent = age(world.now, flow.seen);
  return silent > world.timeout[flow.state] && silent < 2 ** 32 - CLOCK_SKEW;
};

const isRetransmission = (packet: FlowPacket, flow: RememberedFlow): boolean =>
  packet.syn && flow.state === 'FLOW_SYN' && flow.isn === packet.sequence;

function stateOf({ protocol, syn, fin, rst }: FlowPacket): FlowState {
  if (protocol === 'UDP') return 'FLOW_UDP';
  if (rst) return 'FLOW_CLOSED';
  if (syn) return 'FLOW_SYN';
  return fin ? 'FLOW_FIN_CLIENT' : 'FLOW_ESTABLISHED';
}

/** `seen` moves once a second, and with the state. */
function touch(world: TrackedWorld, packet: FlowPacket, flow: RememberedFlow): void {
  const before = flow.state;
  if (packet.rst) flow.state = 'FLOW_CLOSED';
  else if (packet.fin && before !== 'FLOW_CLOSED') flow.state = 'FLOW_FIN_CLIENT';
  else if (!packet.syn && before === 'FLOW_SYN') flow.state = 'FLOW_ESTABLISHED';
  if (flow.state !== before) flow.seen = world.now;
  renew(world, flow);
}

function renew(world: TrackedWorld, flow: RememberedFlow): void {
  if (age(world.now, flow.seen) >= world.hz) flow.seen = world.now;
}
