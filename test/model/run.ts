/** One packet on its way: what the steps hand to each other, and how a packet ends. */
import type { DropReason, EventKind, ModelState, Traffic } from './state.ts';
import type { Packet } from './well-formed.ts';

export interface Arrival {
  readonly now: number;
  readonly cpu: number;
  readonly ingressIfindex: number;
}

export interface Run extends Arrival {
  readonly state: ModelState;
  readonly events: EventKind[];
  /** Names of rules that decided, so that a run can tell which it reached. */
  readonly rules: string[];
  /** Total length of the IP packet, as it says itself. */
  bytes: number;
}

/** tx: out of the device it came in by. redirect: out of `ifindex`. */
export type Verdict =
  | { readonly verdict: 'pass'; readonly frame: Uint8Array }
  | { readonly verdict: 'drop'; readonly reason: DropReason }
  | { readonly verdict: 'tx'; readonly frame: Uint8Array; readonly reason?: DropReason }
  | { readonly verdict: 'redirect'; readonly frame: Uint8Array; readonly ifindex: number };

/** What happened to a port rather than to a packet has no bytes. */
export function countEvent(run: Run, kind: EventKind, bytes = run.bytes): void {
  run.events.push(kind);
  add(run.state.counters.events, kind, bytes);
}

/** Counts a drop, for the service too where one is known. */
export function countDrop(run: Run, reason: DropReason, service?: number): void {
  add(run.state.counters.drops, reason, run.bytes);
  if (service === undefined) return;
  const key = `${service} ${reason}`;
  const { serviceDrops } = run.state.counters;
  serviceDrops.set(key, (serviceDrops.get(key) ?? 0) + 1);
}

export function drop(run: Run, reason: DropReason, service?: number): Verdict {
  countDrop(run, reason, service);
  return { verdict: 'drop', reason };
}

export function countTraffic(
  run: Run,
  packet: Packet,
  direction: 'in' | 'out',
  service: number,
  backend: number,
): void {
  const { services, backends } = run.state.counters;
  for (const traffic of [trafficOf(services, service), trafficOf(backends, backend)]) {
    if (direction === 'in') {
      traffic.packetsIn += 1;
      traffic.bytesIn += packet.totalLength;
    } else {
      traffic.packetsOut += 1;
      traffic.bytesOut += packet.totalLength;
    }
  }
}

export function countFlow(run: Run, service: number, backend: number): void {
  const { services, backends } = run.state.counters;
  trafficOf(services, service).flows += 1;
  trafficOf(backends, backend).flows += 1;
}

function trafficOf(counters: Map<number, Traffic>, index: number): Traffic {
  let traffic = counters.get(index);
  if (traffic === undefined) {
    traffic = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, flows: 0 };
    counters.set(index, traffic);
  }
  return traffic;
}

function add<K>(counters: Map<K, { packets: number; bytes: number }>, key: K, bytes: number): void {
  const counter = counters.get(key) ?? { packets: 0, bytes: 0 };
  counter.packets += 1;
  counter.bytes += bytes;
  counters.set(key, counter);
}
