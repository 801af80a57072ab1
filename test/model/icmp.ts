/** docs/packet-path.md, section 3: echo requests to a VIP are answered, the rest of ICMP is dropped. */
import { read16, updateChecksum, write16 } from './bytes.ts';
import { swapIpAddresses, swapMacs } from './rewrite.ts';
import { countEvent, drop, type Run, type Verdict } from './run.ts';
import { type DropReason, frontendKey } from './state.ts';
import type { Packet } from './well-formed.ts';

const ANSWER_TTL = 64;

export function icmpToVip(run: Run, packet: Packet): Verdict {
  const { frame, l4, destination } = packet;
  const isEchoRequest = frame[l4] === 8 && frame[l4 + 1] === 0;
  if (!isEchoRequest) return drop(run, 'DROP_ICMP');
  if (!run.state.frontends.has(frontendKey(destination, 0, 0))) return drop(run, 'DROP_UNKNOWN_VIP');
  if (!run.state.config.answerEcho) return drop(run, 'DROP_ICMP');
  countEvent(run, 'EVENT_ECHO_ANSWERED');
  return { verdict: 'tx', frame: echoReply(packet) };
}

export const icmpToSnat = (): DropReason => 'DROP_ICMP';

function echoReply({ frame, l3, l4 }: Packet): Uint8Array {
  const reply = Uint8Array.from(frame);
  swapMacs(reply);
  swapIpAddresses(reply, l3);
  const ttlWord = read16(reply, l3 + 8);
  reply[l3 + 8] = ANSWER_TTL;
  write16(reply, l3 + 10, updateChecksum(read16(frame, l3 + 10), [ttlWord], [read16(reply, l3 + 8)]));
  reply[l4] = 0;
  // An ICMP message may be nothing but zeroes, and of those 0 is not the checksum.
  write16(reply, l4 + 2, updateChecksum(read16(frame, l4 + 2), [0x0800], [0]) || 0xffff);
  return reply;
}
