/** docs/packet-path.md, sections 5a and 8, "Does it fit?": what becomes of packets that exceed their way's MTU. */
import { icmpError, isAnswerableSource, withinBudget } from './own-answer.ts';
import { countDrop, countEvent, drop, type Run, type Verdict } from './run.ts';
import type { NextHop } from './state.ts';
import { isIcmp, type Packet } from './well-formed.ts';

export const LEAST_MTU_V6 = 1280;

/** The sender is told that `most` bytes would fit, if anybody may be told. */
export function refuseTooBig(run: Run, packet: Packet, most: number, service: number): Verdict {
  const isSaid =
    packet.fragment !== 'later' &&
    !isIcmp(packet) &&
    packet.headerLength <= 60 &&
    isAnswerableSource(packet.source);
  if (!isSaid || !withinBudget(run, 'tooBig')) {
    run.rules.push('too big: in silence');
    return drop(run, 'DROP_TOO_BIG', service);
  }
  countDrop(run, 'DROP_TOO_BIG', service);
  countEvent(run, 'EVENT_TOO_BIG_ANSWERED');
  const frame = packet.family === 4 ? icmpError(packet, 3, 4, most) : icmpError(packet, 2, 0, most);
  return { verdict: 'tx', frame, reason: 'DROP_TOO_BIG' };
}

/** Of a packet that leaves translated, and as long as it came. kernel: which fragments it. */
export function fitsTranslated(
  run: Run,
  packet: Packet,
  hop: NextHop | undefined,
  { service, way }: { readonly service: number; readonly way: 'to the client' | 'to the backend' },
): 'whole' | 'kernel' | Verdict {
  const mtu = hop?.mtu ?? 0;
  if (mtu === 0 || packet.totalLength <= mtu) return 'whole';
  if (!packet.dontFragment) {
    run.rules.push(`too big ${way}: fragmented by the kernel`);
    return 'kernel';
  }
  run.rules.push(`too big ${way}: IPv${packet.family}`);
  return refuseTooBig(run, packet, packet.family === 4 ? mtu : Math.max(LEAST_MTU_V6, mtu), service);
}
