/** docs/packet-path.md, section 5, "Reject": what is refused is dropped, or answered if configured so. */
import { checksumOf, onesSum, read32, write16, write32 } from './bytes.ts';
import { PROTOCOL } from './packet.ts';
import { countDrop, countEvent, drop, type Run, type Verdict } from './run.ts';
import { age, type DropReason } from './state.ts';
import type { Packet } from './well-formed.ts';

const ANSWER_TTL = 64;
const DONT_FRAGMENT = 0x4000;

export function refuse(
  run: Run,
  packet: Packet,
  reason: DropReason,
  isAnswered: boolean,
  service?: number,
): Verdict {
  if (!isAnswered || !mayAnswer(packet)) return drop(run, reason, service);
  if (!withinBudget(run)) return drop(run, 'DROP_REJECT_LIMITED', service);
  countDrop(run, reason, service);
  countEvent(run, 'EVENT_REJECTED');
  const l4 = packet.protocol === PROTOCOL.tcp ? reset(packet) : portUnreachable(packet);
  const protocol = packet.protocol === PROTOCOL.tcp ? PROTOCOL.tcp : PROTOCOL.icmp;
  return { verdict: 'tx', frame: answerFrame(packet, protocol, l4), reason };
}

/** Never a RST for a RST, and nothing to this-network, loopback, multicast and class E sources. */
function mayAnswer({ source, tcp }: Packet): boolean {
  const first = source >>> 24;
  return !tcp.rst && first !== 0 && first !== 127 && first < 224;
}

/** A token bucket: `rejectPerSecond` tokens a second and at most as many. */
function withinBudget(run: Run): boolean {
  const { rejectBudgets, config } = run.state;
  const budget = rejectBudgets.get(run.cpu) ?? { refilled: 0, tokens: 0 };
  rejectBudgets.set(run.cpu, budget);
  const earned = Math.floor((age(run.now, budget.refilled) * config.rejectPerSecond) / config.hz);
  if (earned > 0) {
    budget.tokens = Math.min(config.rejectPerSecond, budget.tokens + earned);
    budget.refilled = run.now;
  }
  if (budget.tokens === 0) return false;
  budget.tokens -= 1;
  return true;
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
  const pseudo = new Uint8Array(12);
  write32(pseudo, 0, packet.destination);
  write32(pseudo, 4, packet.source);
  write16(pseudo, 8, PROTOCOL.tcp);
  write16(pseudo, 10, bytes.length);
  write16(bytes, 16, checksumOf(bytes, 0, bytes.length, onesSum(pseudo, 0, 12)));
  return bytes;
}

/** Type 3, code 3, with the IP header and 8 bytes. */
function portUnreachable({ frame, l3, headerLength }: Packet): Uint8Array {
  const bytes = new Uint8Array(8 + headerLength + 8);
  bytes[0] = 3;
  bytes[1] = 3;
  bytes.set(frame.subarray(l3, l3 + headerLength + 8), 8);
  write16(bytes, 2, checksumOf(bytes, 0, bytes.length));
  return bytes;
}

/** Out of the device it came in by: MAC addresses swapped, tags as they were. */
function answerFrame(packet: Packet, protocol: number, l4: Uint8Array): Uint8Array {
  const { frame, l3 } = packet;
  const out = new Uint8Array(l3 + 20 + l4.length);
  out.set(frame.subarray(0, l3));
  out.set(frame.subarray(6, 12), 0);
  out.set(frame.subarray(0, 6), 6);
  out[l3] = 0x45;
  write16(out, l3 + 2, 20 + l4.length);
  write16(out, l3 + 6, DONT_FRAGMENT);
  out[l3 + 8] = ANSWER_TTL;
  out[l3 + 9] = protocol;
  write32(out, l3 + 12, packet.destination);
  write32(out, l3 + 16, packet.source);
  write16(out, l3 + 10, checksumOf(out, l3, l3 + 20));
  out.set(l4, l3 + 20);
  return out;
}
