/** docs/packet-path.md, section 5a, "On its way" and "Does it fit?". */
import { read16, updateChecksum, write16 } from './bytes.ts';
import { encapsulate, familyOf, outerSize } from './encapsulate.ts';
import { refreshed, sendVia } from './next-hop.ts';
import { PROTOCOL } from './packet.ts';
import { countEvent, countFlow, countTraffic, drop, type Run, type Verdict } from './run.ts';
import type { Backend, Mode, NextHop, Service } from './state.ts';
import { LEAST_MTU_V6, refuseTooBig } from './too-big.ts';
import { isIcmp, isSyn, type Packet } from './well-formed.ts';

/** What was chosen for a packet: indexes, and its flow's hash. */
export interface Place {
  readonly service: number;
  readonly backend: number;
  readonly hash: number;
}

/** Of a well-formed packet, to a backend that is there. */
export function sendDsr(run: Run, packet: Packet, place: Place): Verdict {
  const { services, backends } = run.state;
  const { mode } = services.get(place.service) as Service;
  const backend = backends.get(place.backend) as Backend;
  const hop = refreshed(run, backend.nextHop);
  if (mode === 'l2' && hop?.isRouted) return drop(run, 'DROP_OFF_SEGMENT', place.service);
  if (mode === 'l2' && hop?.state !== 'NEXT_HOP_VALID') return drop(run, 'DROP_NO_ROUTE', place.service);
  const fit = fits(run, packet, place, { mode, backend, hop });
  if (typeof fit === 'object') return fit;
  const bare = withoutHop(packet);
  count(run, packet, place);
  run.rules.push(`sent: ${mode}, IPv${packet.family}${mode === 'l2' ? '' : ` in IPv${familyOf(backend)}`}`);
  if (mode === 'l2') return sendVia(run, packet, bare, hop, place.service);
  const fragmentId = fit === 'in pieces' ? outerId(packet, place.hash) : undefined;
  const frame = encapsulate(run.state.config, packet, bare, {
    mode: mode === 'gue' ? 'gue' : 'ipip',
    backend,
    hash: place.hash,
    fragmentId,
  });
  const outer = { l3: packet.l3, family: familyOf(backend) };
  return sendVia(run, outer, frame, fit === 'in pieces' ? undefined : hop, place.service);
}

/** Errors are not counted for service and backend. */
function count(run: Run, packet: Packet, { service, backend }: Place): void {
  if (isIcmp(packet)) countEvent(run, 'EVENT_ICMP_FORWARDED');
  else countTraffic(run, packet, 'in', service, backend);
  if (isSyn(packet)) countFlow(run, service, backend);
}

interface Way {
  readonly mode: Mode;
  readonly backend: Backend;
  readonly hop: NextHop | undefined;
}

/** Whether it fits the way as it is, or in pieces that the kernel makes; or what became of it. */
function fits(
  run: Run,
  packet: Packet,
  { service }: Place,
  { mode, backend, hop }: Way,
): 'whole' | 'in pieces' | Verdict {
  const size = outerSize(mode, familyOf(backend));
  const mtu = hop?.mtu ?? 0;
  if (mtu === 0 || packet.totalLength + size <= mtu) return 'whole';
  const most = packet.family === 4 ? mtu - size : Math.max(LEAST_MTU_V6, mtu - size);
  if (packet.family === 4 || packet.totalLength > most) return refuseTooBig(run, packet, most, service);
  if (size > 0 && familyOf(backend) === 4) {
    run.rules.push('too big: in pieces');
    return 'in pieces';
  }
  run.rules.push('too big: nobody to tell');
  return drop(run, 'DROP_TOO_BIG', service);
}

/** It differs from packet to packet of a flow; never 0. */
function outerId(packet: Packet, hash: number): number {
  // As loaded: the low half of the hash, with its bytes the other way round.
  const half = ((hash & 0xff) << 8) | ((hash >>> 8) & 0xff);
  return (half ^ checksumOfL4(packet)) & 0xffff || 0xffff;
}

function checksumOfL4({ frame, l4, protocol, fragment }: Packet): number {
  if (fragment === 'later') return 0;
  return read16(frame, l4 + (protocol === PROTOCOL.tcp ? 16 : 6));
}

/** One hop less; nothing else changes. */
function withoutHop({ frame, l3, family, ttl }: Packet): Uint8Array {
  const out = Uint8Array.from(frame);
  const before = read16(out, l3 + 8);
  out[l3 + (family === 4 ? 8 : 7)] = ttl - 1;
  if (family === 4) {
    write16(out, l3 + 10, updateChecksum(read16(out, l3 + 10), [before], [read16(out, l3 + 8)]));
  }
  return out;
}
