/** docs/packet-path.md, section 3a, "Errors": an ICMP error goes where the packet that it quotes belongs. */
import { findRecord, nextHopOf } from './answer.ts';
import { type Address, read16, read32, readAddress, updateChecksum, write16 } from './bytes.ts';
import { errorToDsr } from './dsr-error.ts';
import { backendOf } from './flow.ts';
import { send } from './next-hop.ts';
import { PROTOCOL } from './packet.ts';
import { type Addresses, addressWords, rewriteIp, type Tuple } from './rewrite.ts';
import { countEvent, drop, type Run, type Verdict } from './run.ts';
import { type DropReason, flowKey } from './state.ts';
import type { Packet } from './well-formed.ts';

/** The quoted packet's ends, as it was sent. */
interface Quote extends Tuple {
  /** Where its IP header and its L4 header begin. */
  readonly l3: number;
  readonly l4: number;
  readonly protocol: number;
}

const LEAST_MTU = { 4: 576, 6: 1280 } as const;

/** About an answer of the VIP's. */
export function errorToBackend(run: Run, packet: Packet): Verdict {
  const quote = readQuote(packet);
  if (typeof quote === 'string') return drop(run, quote);
  const { source, sourcePort, destination, destinationPort, protocol } = quote;
  const flow = run.state.flows.get(flowKey(destination, source, destinationPort, sourcePort, protocol));
  const backend = flow && backendOf(run, flow.backend, flow.backendGeneration);
  if (source !== packet.destination || (flow !== undefined && backend === undefined))
    return drop(run, 'DROP_ICMP_NO_FLOW');
  if (flow === undefined || backend === undefined) return errorToDsr(run, packet, asClientSends(quote));
  if (packet.ttl <= 1) return drop(run, 'DROP_TTL', flow.service);
  const frame = translate(packet, quote, {
    outer: { source: packet.source, destination: backend.address },
    quoted: {
      source: backend.address,
      sourcePort: backend.port,
      destination: flow.snatAddress,
      destinationPort: flow.snatPort,
    },
  });
  countEvent(run, 'EVENT_ICMP_FORWARDED');
  return send(run, packet, frame, backend.nextHop, flow.service);
}

/** The tuple of the client whose packet the quoted one answers. */
const asClientSends = ({ source, sourcePort, destination, destinationPort, protocol }: Quote) => ({
  source: destination,
  sourcePort: destinationPort,
  destination: source,
  destinationPort: sourcePort,
  protocol,
});

/** About a packet that was forwarded. `refuse` is for what happens before a flow is matched. */
export function errorToClient(
  run: Run,
  packet: Packet,
  snatIndex: number,
  refuse: (reason: DropReason) => Verdict,
): Verdict {
  const quote = readQuote(packet);
  if (typeof quote === 'string') return refuse(quote);
  if (quote.source !== packet.destination) return refuse('DROP_ICMP_NO_FLOW');
  const answer = {
    source: quote.destination,
    sourcePort: quote.destinationPort,
    destinationPort: quote.sourcePort,
    protocol: quote.protocol,
  };
  const record = findRecord(run, answer, snatIndex);
  if (record === undefined) return refuse('DROP_ICMP_NO_FLOW');
  if (packet.ttl <= 1) return drop(run, 'DROP_TTL', record.service);
  const frame = translate(packet, quote, {
    outer: {
      source: packet.source === quote.destination ? record.vip : packet.source,
      destination: record.client,
    },
    quoted: {
      source: record.client,
      sourcePort: record.clientPort,
      destination: record.vip,
      destinationPort: record.vipPort,
    },
  });
  countEvent(run, 'EVENT_ICMP_FORWARDED');
  return send(run, packet, frame, nextHopOf(run, record), record.service);
}

/** What the error quotes, or why it is of no use. */
function readQuote(packet: Packet): Quote | DropReason {
  const { frame, l4: icmp, family, fragment } = packet;
  if (fragment !== 'none' || !isError(packet)) return 'DROP_ICMP';
  const l3 = icmp + 8;
  const size = family === 4 ? 20 : 40;
  const version = (frame[l3] ?? 0) >> 4;
  if (l3 + size > frame.length || version !== family) return 'DROP_ICMP_NO_FLOW';
  if (family === 4 && (read16(frame, l3 + 6) & 0x1fff) !== 0) return 'DROP_ICMP_NO_FLOW';
  const { headerLength, protocol } = quotedHeaders(frame, l3, family);
  const l4 = l3 + headerLength;
  const isKnown = protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp;
  if (headerLength < size || l4 + 8 > frame.length || !isKnown) return 'DROP_ICMP_NO_FLOW';
  const at = (offset: number): Address => readAddress(frame, l3 + offset, family === 4 ? 4 : 16);
  return {
    l3,
    l4,
    protocol,
    source: at(family === 4 ? 12 : 8),
    destination: at(family === 4 ? 16 : 24),
    sourcePort: read16(frame, l4),
    destinationPort: read16(frame, l4 + 2),
  };
}

const FRAGMENT_HEADER = 44;

/** Of IPv6 a fragment header belongs to it, unless it is a later fragment's. */
function quotedHeaders(
  frame: Uint8Array,
  l3: number,
  family: Packet['family'],
): { headerLength: number; protocol: number } {
  const protocol = frame[l3 + (family === 4 ? 9 : 6)] ?? 0;
  if (family === 4) return { headerLength: ((frame[l3] ?? 0) & 0xf) * 4, protocol };
  if (protocol !== FRAGMENT_HEADER || frame.length < l3 + 48) return { headerLength: 40, protocol };
  const isLater = read16(frame, l3 + 42) >> 3 !== 0;
  return { headerLength: 48, protocol: isLater ? FRAGMENT_HEADER : (frame[l3 + 40] ?? 0) };
}

function isError({ frame, l4, family }: Packet): boolean {
  const type = frame[l4] ?? 0;
  if (family === 6) return type >= 1 && type <= 4 && (type !== 2 || read32(frame, l4 + 4) >= LEAST_MTU[6]);
  const mtu = read16(frame, l4 + 6);
  if (type === 3 && frame[l4 + 1] === 4) return mtu === 0 || mtu >= LEAST_MTU[4];
  return type === 3 || type === 11 || type === 12;
}

function translate(
  packet: Packet,
  quote: Quote,
  to: { readonly outer: Addresses; readonly quoted: Tuple },
): Uint8Array {
  const { l4: icmp, family } = packet;
  const frame = Uint8Array.from(packet.frame);
  rewriteIp(frame, packet, to.outer, packet.ttl - 1);
  const { l3, source, destination } = quote;
  // The quoted TTL stays.
  const quotedTtl = frame[l3 + (family === 4 ? 8 : 7)] ?? 0;
  rewriteIp(frame, { ...packet, l3, source, destination }, to.quoted, quotedTtl);
  write16(frame, quote.l4, to.quoted.sourcePort);
  write16(frame, quote.l4 + 2, to.quoted.destinationPort);
  const before = [quote.sourcePort, quote.destinationPort];
  const after = [to.quoted.sourcePort, to.quoted.destinationPort];
  if (family === 6) {
    before.push(...addressWords(packet), ...addressWords(quote));
    after.push(...addressWords(to.outer), ...addressWords(to.quoted));
  }
  write16(frame, icmp + 2, updateChecksum(read16(frame, icmp + 2), before, after));
  return frame;
}
