/** docs/packet-path.md, section 3: later fragments take their ports from the first one. */
import { countEvent, type Run, type Verdict } from './run.ts';
import { age, CLOCK_SKEW, type DropReason, fragmentKey } from './state.ts';
import type { Packet } from './well-formed.ts';

const KEPT_SECONDS = 60;

const keyOf = ({ source, destination, fragmentId, protocol }: Packet): string =>
  fragmentKey(source, destination, fragmentId, protocol);

/** The packet with its ports, or why it is dropped. */
export function withPorts(run: Run, packet: Packet): Packet | DropReason {
  if (packet.fragment !== 'later') return packet;
  const taught = run.state.fragments.get(keyOf(packet));
  if (taught === undefined || isLate(run, taught.seen)) return 'DROP_EARLY_FRAGMENT';
  countEvent(run, 'EVENT_FRAGMENT_FOLLOWED');
  const { sourcePort, destinationPort } = taught;
  return { ...packet, sourcePort, destinationPort };
}

function isLate({ now, state }: Run, seen: number): boolean {
  const passed = age(now, seen);
  return passed > KEPT_SECONDS * state.config.hz && passed < 2 ** 32 - CLOCK_SKEW;
}

/** After a first fragment was let through, or answered as too big. */
export function teach(run: Run, packet: Packet, verdict: Verdict): void {
  const reason = 'reason' in verdict ? verdict.reason : undefined;
  // Of a packet that is too big for its way, the others follow: they may be smaller.
  const isThrough = verdict.verdict !== 'drop' && (reason === undefined || reason === 'DROP_TOO_BIG');
  if (packet.fragment !== 'first' || !isThrough) return;
  const { sourcePort, destinationPort } = packet;
  run.state.fragments.set(keyOf(packet), { sourcePort, destinationPort, seen: run.now });
}
