/** docs/packet-path.md, section 9: next hops, and how a packet leaves. */
import { type Address, indexWords, read16, write16 } from './bytes.ts';
import { countEvent, drop, type Run, type Verdict } from './run.ts';
import { age, type FibAnswer, type NextHop } from './state.ts';
import type { Packet } from './well-formed.ts';

const PLACES_TRIED = 4;
const TAKEOVER_SECONDS = 60;

/** A rewritten packet leaves through the next hop at `index`; 0: none. */
export function send(run: Run, packet: Packet, frame: Uint8Array, index: number, service?: number): Verdict {
  return sendVia(run, packet, frame, refreshed(run, index), service);
}

/** `packet` says where the frame's IP header begins, and of which family that is. */
export function sendVia(
  run: Run,
  packet: Pick<Packet, 'l3' | 'family'>,
  frame: Uint8Array,
  hop: NextHop | undefined,
  service?: number,
): Verdict {
  if (hop === undefined || hop.state === 'NEXT_HOP_UNRESOLVED') {
    countEvent(run, 'EVENT_TO_KERNEL');
    return { verdict: 'pass', frame };
  }
  if (hop.state === 'NEXT_HOP_BLACKHOLE') return drop(run, 'DROP_NO_ROUTE', service);
  const out = withLinkLayer(frame, packet, hop);
  return hop.ifindex === run.ingressIfindex
    ? { verdict: 'tx', frame: out }
    : { verdict: 'redirect', frame: out, ifindex: hop.ifindex };
}

/** The entry, looked up in the FIB again when it is stale; of index 0 none. */
export function refreshed(run: Run, index: number): NextHop | undefined {
  const hop = index === 0 ? undefined : run.state.nextHops.get(index);
  if (hop === undefined) return undefined;
  const stale =
    age(run.now, hop.refreshed) >= run.state.config.hz ||
    (hop.state === 'NEXT_HOP_UNRESOLVED' && hop.refreshed !== run.now);
  if (stale) resolve(run, hop, run.state.fib(hop.address, run.ingressIfindex));
  return hop;
}

function resolve(run: Run, hop: NextHop, answer: FibAnswer): void {
  hop.refreshed = run.now;
  const device = egressDevice(run, answer.ifindex);
  if (answer.result === 'blackhole') {
    hop.state = 'NEXT_HOP_BLACKHOLE';
    hop.mtu = 0;
    hop.isRouted = false;
  } else if (answer.result === 'failed' || device === undefined) hop.state = 'NEXT_HOP_UNRESOLVED';
  else {
    hop.state = answer.result === 'valid' ? 'NEXT_HOP_VALID' : 'NEXT_HOP_UNRESOLVED';
    hop.destinationMac = answer.destinationMac;
    hop.sourceMac = answer.sourceMac;
    hop.ifindex = device.ifindex;
    hop.vlan = device.vlan;
    hop.mtu = answer.mtu;
    hop.isRouted = answer.gateway !== hop.address;
  }
}

/** A device that is neither the one the packet came in by nor in egress_devices is not used. */
function egressDevice(run: Run, ifindex: number): { ifindex: number; vlan: number } | undefined {
  const device = run.state.egressDevices.get(ifindex);
  if (device !== undefined) return device;
  return ifindex === run.ingressIfindex ? { ifindex, vlan: 0 } : undefined;
}

/**
 * Finds or claims the next hop towards a client; index 0 if no place is free, or the FIB names no gateway
 * behind a device of ours.
 */
export function clientNextHop(run: Run, client: Address): { index: number; generation: number } {
  const { config, nextHops, fib } = run.state;
  const answer = fib(client, run.ingressIfindex);
  const device = egressDevice(run, answer.ifindex);
  if (answer.result === 'blackhole' || answer.result === 'failed' || device === undefined) return NO_HOP;
  const key = (addressWord(answer.gateway) ^ device.ifindex) >>> 0;
  const position = Math.imul(key, 2654435761) >>> 16;
  for (let place = 0; place < PLACES_TRIED; place += 1) {
    const index = config.clientNextHopsFirst + ((position + place) & config.clientNextHopsMask);
    const hop = nextHops.get(index) ?? unusedNextHop();
    nextHops.set(index, hop);
    const isThere = hop.ifindex === device.ifindex && hop.vlan === device.vlan;
    if (hop.inUse && hop.address === answer.gateway && isThere) return { index, generation: hop.generation };
    if (hop.inUse && age(run.now, hop.refreshed) <= TAKEOVER_SECONDS * config.hz) continue;
    hop.inUse = true;
    hop.address = answer.gateway;
    hop.generation = (hop.generation + 1) & 0xffff;
    resolve(run, hop, answer);
    return { index, generation: hop.generation };
  }
  return NO_HOP;
}

/** An address in one word (docs/packet-path.md, section 6). */
export function addressWord(address: Address): number {
  const [a0 = 0, a1, a2 = 0, a3 = 0] = indexWords(address);
  if (a1 === undefined) return a0;
  const mixed =
    ((((BigInt(a1) << 32n) | BigInt(a0)) * 0xff51afd7ed558ccdn) & 0xffffffffffffffffn) ^
    ((BigInt(a3) << 32n) | BigInt(a2));
  return Number((mixed ^ (mixed >> 32n)) & 0xffffffffn);
}

const NO_HOP = { index: 0, generation: 0 };

const NO_MAC = new Uint8Array(6);
const unusedNextHop = (): NextHop => ({
  state: 'NEXT_HOP_UNRESOLVED',
  destinationMac: NO_MAC,
  sourceMac: NO_MAC,
  vlan: 0,
  ifindex: 0,
  refreshed: 0,
  mtu: 0,
  isRouted: false,
  address: 0,
  inUse: false,
  generation: 0,
});

/** Whatever tags the packet came with, it leaves with the next hop's or none; the inner tag's priority stays. */
function withLinkLayer(
  frame: Uint8Array,
  { l3, family }: Pick<Packet, 'l3' | 'family'>,
  hop: NextHop,
): Uint8Array {
  const priority = l3 > 14 ? read16(frame, l3 - 4) & 0xf000 : 0;
  const length = hop.vlan === 0 ? 14 : 18;
  const out = new Uint8Array(length + frame.length - l3);
  out.set(hop.destinationMac, 0);
  out.set(hop.sourceMac, 6);
  if (hop.vlan !== 0) {
    write16(out, 12, 0x8100);
    write16(out, 14, priority | hop.vlan);
  }
  write16(out, length - 2, family === 4 ? 0x0800 : 0x86dd);
  out.set(frame.subarray(l3), length);
  return out;
}
