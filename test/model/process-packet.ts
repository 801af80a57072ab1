/**
 * The packet path as docs/packet-path.md tells it, written to be read beside
 * that page and to be run against the C programs. No I/O: time, CPU and the
 * routing table are given, the state is changed in place.
 */
import { answer } from './answer.ts';
import { read16 } from './bytes.ts';
import { forward } from './forward.ts';
import { icmpToSnat, icmpToVip } from './icmp.ts';
import { PROTOCOL } from './packet.ts';
import { type Arrival, countEvent, drop, type Run, type Verdict } from './run.ts';
import type { DropReason, EventKind, ModelState } from './state.ts';
import { type Destination, type Ipv4Frame, readLinkLayer, readPacket, whoseIs } from './well-formed.ts';

export type Result = Verdict & { readonly events: readonly EventKind[] };

export function processPacket(state: ModelState, frame: Uint8Array, arrival: Arrival): Result {
  const run: Run = { ...arrival, state, events: [], bytes: 0 };
  return { ...steps(run, frame), events: run.events };
}

function steps(run: Run, frame: Uint8Array): Verdict {
  const ipv4 = readLinkLayer(frame);
  const destination = ipv4 && whoseIs(run.state.config, ipv4.destination);
  if (ipv4 === undefined || destination === undefined) return { verdict: 'pass', frame };

  const packet = readPacket(ipv4);
  run.bytes = read16(frame, ipv4.l3 + 2);
  const refuse = (reason: DropReason): Verdict => dropOrPass(run, ipv4, destination, reason);

  if (typeof packet === 'string') return refuse(packet);
  if (destination.kind === 'vip') {
    return packet.protocol === PROTOCOL.icmp ? icmpToVip(run, packet) : forward(run, packet);
  }
  return packet.protocol === PROTOCOL.icmp
    ? refuse(icmpToSnat())
    : answer(run, packet, destination.index, refuse);
}

/** Before a flow is matched, packets to the node's own SNAT address are the kernel's. */
function dropOrPass(run: Run, { frame }: Ipv4Frame, destination: Destination, reason: DropReason): Verdict {
  if (destination.kind === 'vip' || !destination.own) return drop(run, reason);
  countEvent(run, 'EVENT_SNAT_PASSED');
  return { verdict: 'pass', frame };
}
