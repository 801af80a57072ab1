/**
 * The packet path as docs/packet-path.md tells it, written to be read beside
 * that page and to be run against the C programs. No I/O: time, CPU and the
 * routing table are given, the state is changed in place.
 */
import { answer } from './answer.ts';
import { forward } from './forward.ts';
import { teach, withPorts } from './fragment.ts';
import { icmpToVip } from './icmp.ts';
import { errorToClient } from './icmp-error.ts';
import { type Arrival, countEvent, drop, type Run, type Verdict } from './run.ts';
import type { DropReason, EventKind, ModelState } from './state.ts';
import {
  type Destination,
  type IpFrame,
  isIcmp,
  lengthOf,
  type Packet,
  readLinkLayer,
  readPacket,
  whoseIs,
} from './well-formed.ts';

export type Result = Verdict & { readonly events: readonly EventKind[]; readonly rules: readonly string[] };

export function processPacket(state: ModelState, frame: Uint8Array, arrival: Arrival): Result {
  const run: Run = { ...arrival, state, events: [], rules: [], bytes: 0 };
  return { ...steps(run, frame), events: run.events, rules: run.rules };
}

function steps(run: Run, frame: Uint8Array): Verdict {
  const ip = readLinkLayer(frame);
  const destination = ip && whoseIs(run.state.config, ip.destination);
  if (ip === undefined || destination === undefined) return { verdict: 'pass', frame };

  run.bytes = lengthOf(ip);
  let isRefused = false;
  const refuse = (reason: DropReason): Verdict => {
    isRefused = true;
    return dropOrPass(run, ip, destination, reason);
  };
  const read = readPacket(ip);
  const packet = typeof read === 'string' ? read : withPorts(run, read);
  if (typeof packet === 'string') return refuse(packet);
  const verdict = handle(run, packet, destination, refuse);
  if (!isRefused) teach(run, packet, verdict);
  return verdict;
}

function handle(
  run: Run,
  packet: Packet,
  destination: Destination,
  refuse: (reason: DropReason) => Verdict,
): Verdict {
  if (destination.kind === 'vip') return isIcmp(packet) ? icmpToVip(run, packet) : forward(run, packet);
  const handler = isIcmp(packet) ? errorToClient : answer;
  return handler(run, packet, destination.index, refuse);
}

/** Before a flow is matched, packets to the node's own SNAT address are the kernel's. */
function dropOrPass(run: Run, { frame }: IpFrame, destination: Destination, reason: DropReason): Verdict {
  if (destination.kind === 'vip' || !destination.own) return drop(run, reason);
  countEvent(run, 'EVENT_SNAT_PASSED');
  return { verdict: 'pass', frame };
}
