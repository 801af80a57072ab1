/**
 * docs/packet-path.md, section 5, "Reject": what the answers of a VIP's own have in common: whom they go
 * to, how many, and the headers they have.
 */
import { type Address, checksumOf, isV6, write16, write32, writeAddress } from './bytes.ts';
import { PROTOCOL, pseudoSum } from './packet.ts';
import type { Run } from './run.ts';
import { type AnswerKind, age, type Budget } from './state.ts';
import type { Packet } from './well-formed.ts';

export const ANSWER_TTL = 64;
const DONT_FRAGMENT = 0x4000;
const MOST_HEADERS = 60;
const QUOTED_L4 = 8;

/** No answer to this-network, loopback, multicast and class E sources, to fragments or to long headers. */
export function isAnswerable({ source, fragment, headerLength }: Packet): boolean {
  return fragment === 'none' && headerLength <= MOST_HEADERS && isAnswerableSource(source);
}

export function isAnswerableSource(source: Address): boolean {
  if (isV6(source)) return source >> 120n !== 0xffn && source > 1n;
  const first = source >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

/** Each kind of answer has a budget of its own. */
export function withinBudget(run: Run, kind: AnswerKind): boolean {
  return takeToken(run, run.state.answerBudgets[kind], run.cpu, run.state.config.rejectPerSecond);
}

/** A token bucket: `perSecond` tokens a second and at most as many, with which it begins. */
export function takeToken(run: Run, budgets: Map<number, Budget>, key: number, perSecond: number): boolean {
  const budget = budgets.get(key) ?? { refilled: run.now, tokens: perSecond };
  budgets.set(key, budget);
  const earned = Math.floor((age(run.now, budget.refilled) * perSecond) / run.state.config.hz);
  if (earned > 0) {
    budget.tokens = Math.min(perSecond, budget.tokens + earned);
    budget.refilled = run.now;
  }
  if (budget.tokens === 0) return false;
  budget.tokens -= 1;
  return true;
}

/** An ICMP error of this type and code, with the IP header and 8 bytes; `rest` is the word before them. */
export function icmpError(packet: Packet, type: number, code: number, rest = 0): Uint8Array {
  const { frame, l3, headerLength, family } = packet;
  const bytes = new Uint8Array(8 + headerLength + QUOTED_L4);
  bytes[0] = type;
  bytes[1] = code;
  write32(bytes, 4, rest);
  bytes.set(frame.subarray(l3, l3 + headerLength + QUOTED_L4), 8);
  const pseudo =
    family === 4 ? 0 : pseudoSum(packet.destination, packet.source, PROTOCOL.icmp6, bytes.length);
  write16(bytes, 2, checksumOf(bytes, 0, bytes.length, pseudo));
  return answerFrame(packet, family === 4 ? PROTOCOL.icmp : PROTOCOL.icmp6, bytes);
}

/** Out of the device it came in by: MAC addresses swapped, tags as they were. */
export function answerFrame(packet: Packet, protocol: number, l4: Uint8Array): Uint8Array {
  const { frame, l3, family, source, destination } = packet;
  const size = family === 4 ? 20 : 40;
  const out = new Uint8Array(l3 + size + l4.length);
  out.set(frame.subarray(0, l3));
  out.set(frame.subarray(6, 12), 0);
  out.set(frame.subarray(0, 6), 6);
  if (family === 4) {
    out[l3] = 0x45;
    write16(out, l3 + 2, 20 + l4.length);
    write16(out, l3 + 6, DONT_FRAGMENT);
    out[l3 + 8] = ANSWER_TTL;
    out[l3 + 9] = protocol;
    writeAddress(out, l3 + 12, destination);
    writeAddress(out, l3 + 16, source);
    write16(out, l3 + 10, checksumOf(out, l3, l3 + 20));
  } else {
    out[l3] = 0x60;
    write16(out, l3 + 4, l4.length);
    out[l3 + 6] = protocol;
    out[l3 + 7] = ANSWER_TTL;
    writeAddress(out, l3 + 8, destination);
    writeAddress(out, l3 + 24, source);
  }
  out.set(l4, l3 + size);
  return out;
}
