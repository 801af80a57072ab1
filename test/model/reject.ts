/** docs/packet-path.md, section 5, "Reject", and section 4: what is refused is dropped, or answered if configured so. */
import { checksumOf, read32, write16, write32 } from './bytes.ts';
import { answerFrame, icmpError, isAnswerable, isAnswerableSource, withinBudget } from './own-answer.ts';
import { PROTOCOL, pseudoSum } from './packet.ts';
import { countDrop, countEvent, drop, type Run, type Verdict } from './run.ts';
import type { DropReason } from './state.ts';
import { isIcmp, type Packet } from './well-formed.ts';

/** Never a RST for a RST. */
export function refuse(
  run: Run,
  packet: Packet,
  reason: DropReason,
  isAnswered: boolean,
  service?: number,
): Verdict {
  if (!isAnswered || packet.tcp.rst || !isAnswerable(packet)) return drop(run, reason, service);
  if (!withinBudget(run, 'reject')) return drop(run, 'DROP_REJECT_LIMITED', service);
  countDrop(run, reason, service);
  countEvent(run, 'EVENT_REJECTED');
  const frame = packet.protocol === PROTOCOL.tcp ? reset(packet) : portUnreachable(packet);
  return { verdict: 'tx', frame, reason };
}

/** The TTL is over: a time-exceeded, if it is said at all. */
export function exceed(run: Run, packet: Packet): Verdict {
  const isSaid =
    run.state.config.answerTtl &&
    !isIcmp(packet) &&
    packet.fragment !== 'later' &&
    packet.headerLength <= 60 &&
    isAnswerableSource(packet.source);
  if (!isSaid || !withinBudget(run, 'timeExceeded')) return drop(run, 'DROP_TTL');
  countDrop(run, 'DROP_TTL');
  countEvent(run, 'EVENT_TTL_ANSWERED');
  const type = packet.family === 4 ? 11 : 3;
  return { verdict: 'tx', frame: icmpError(packet, type, 0), reason: 'DROP_TTL' };
}

/** RFC 9293, 3.10.7.1. */
function reset(packet: Packet): Uint8Array {
  const { frame, l4, tcp } = packet;
  const dataOffset = ((frame[l4 + 12] ?? 0) >> 4) * 4;
  const payload = packet.totalLength - packet.headerLength - dataOffset;
  const length = payload + Number(tcp.syn) + Number(tcp.fin);
  const bytes = new Uint8Array(20);
  write16(bytes, 0, packet.destinationPort);
  write16(bytes, 2, packet.sourcePort);
  if (tcp.ack) write32(bytes, 4, read32(frame, l4 + 8));
  else write32(bytes, 8, (read32(frame, l4 + 4) + length) >>> 0);
  bytes[12] = 5 << 4;
  bytes[13] = tcp.ack ? 0x04 : 0x14;
  const pseudo = pseudoSum(packet.destination, packet.source, PROTOCOL.tcp, bytes.length);
  write16(bytes, 16, checksumOf(bytes, 0, bytes.length, pseudo));
  return answerFrame(packet, PROTOCOL.tcp, bytes);
}

/** IPv4: type 3, code 3. IPv6: type 1, code 4. */
const portUnreachable = (packet: Packet): Uint8Array =>
  packet.family === 4 ? icmpError(packet, 3, 3) : icmpError(packet, 1, 4);
