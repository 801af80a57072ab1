/** docs/packet-path.md, section 3a: echo requests to a VIP are answered, errors follow their flow. */
import { read16, updateChecksum, write16 } from './bytes.ts';
import { errorToBackend } from './icmp-error.ts';
import { ANSWER_TTL, isAnswerableSource } from './own-answer.ts';
import { rewriteIp, swapMacs } from './rewrite.ts';
import { countEvent, drop, type Run, type Verdict } from './run.ts';
import { frontendKey } from './state.ts';
import type { Packet } from './well-formed.ts';

export function icmpToVip(run: Run, packet: Packet): Verdict {
  // Type and code are where other protocols have the source port.
  if (packet.sourcePort !== requestOf(packet)) return errorToBackend(run, packet);
  if (!run.state.frontends.has(frontendKey(packet.destination, 0, 0))) return drop(run, 'DROP_UNKNOWN_VIP');
  if (!run.state.config.answerEcho || !isAnswerableSource(packet.source)) return drop(run, 'DROP_ICMP');
  countEvent(run, 'EVENT_ECHO_ANSWERED');
  return { verdict: 'tx', frame: echoReply(packet) };
}

const requestOf = ({ family }: Packet): number => (family === 4 ? 0x0800 : 0x8000);
const replyOf = ({ family }: Packet): number => (family === 4 ? 0x0000 : 0x8100);

function echoReply(packet: Packet): Uint8Array {
  const { frame, l4, source, destination } = packet;
  const reply = Uint8Array.from(frame);
  swapMacs(reply);
  rewriteIp(reply, packet, { source: destination, destination: source }, ANSWER_TTL);
  if (packet.fragment === 'later') return reply;
  write16(reply, l4, replyOf(packet));
  // An ICMP message may be nothing but zeroes, and of those 0 is not the checksum.
  const checksum = updateChecksum(read16(frame, l4 + 2), [requestOf(packet)], [replyOf(packet)]);
  write16(reply, l4 + 2, checksum || 0xffff);
  return reply;
}
