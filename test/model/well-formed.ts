/** docs/packet-path.md, sections 1 and 2: is the packet ours, and does it make sense. */
import { read16, read32 } from './bytes.ts';
import { PROTOCOL } from './packet.ts';
import type { DropReason, ModelConfig } from './state.ts';

/** A frame whose IPv4 header is inside it; nothing else is known yet. */
export interface Ipv4Frame {
  readonly frame: Uint8Array;
  /** Where the IPv4 header begins. */
  readonly l3: number;
  readonly source: number;
  readonly destination: number;
}

/** A well-formed packet. Ports are 0 for ICMP. */
export interface Packet extends Ipv4Frame {
  readonly l4: number;
  readonly headerLength: number;
  readonly totalLength: number;
  readonly protocol: number;
  readonly ttl: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly tcp: {
    readonly syn: boolean;
    readonly ack: boolean;
    readonly fin: boolean;
    readonly rst: boolean;
  };
}

const MAX_TAGS = 2;

/** Undefined: not IPv4 that could be ours. */
export function readLinkLayer(frame: Uint8Array): Ipv4Frame | undefined {
  if (frame.length < 14) return undefined;
  let at = 12;
  for (let tags = 0; tags < MAX_TAGS && isTag(read16(frame, at)); tags += 1) {
    at += 4;
    if (at + 2 > frame.length) return undefined;
  }
  const l3 = at + 2;
  if (read16(frame, at) !== 0x0800 || frame.length < l3 + 20) return undefined;
  return { frame, l3, source: read32(frame, l3 + 12), destination: read32(frame, l3 + 16) };
}

const isTag = (ethertype: number): boolean => ethertype === 0x8100 || ethertype === 0x88a8;

export type Destination =
  | { readonly kind: 'vip' }
  | { readonly kind: 'snat'; readonly index: number; readonly own: boolean };

/** VIP ranges are looked at first. Undefined: not ours. */
export function whoseIs(config: ModelConfig, address: number): Destination | undefined {
  for (const { network, mask } of config.vips) {
    if ((address & mask) >>> 0 === network) return { kind: 'vip' };
  }
  const index = config.snat.findIndex((snat) => snat.address === address);
  if (index < 0) return undefined;
  return { kind: 'snat', index, own: config.snat[index]?.own ?? false };
}

/** The packet, or why it is dropped. */
export function readPacket({ frame, l3, source, destination }: Ipv4Frame): Packet | DropReason {
  const headerLength = ((frame[l3] ?? 0) & 0xf) * 4;
  const totalLength = read16(frame, l3 + 2);
  if ((frame[l3] ?? 0) >> 4 !== 4 || headerLength < 20 || totalLength < headerLength)
    return 'DROP_BAD_HEADER';
  if (frame.length - l3 < totalLength) return 'DROP_TRUNCATED';
  if ((read16(frame, l3 + 6) & 0x3fff) !== 0) return 'DROP_EARLY_FRAGMENT';

  const protocol = frame[l3 + 9] ?? 0;
  const shortest = shortestL4(protocol);
  if (shortest === undefined) return 'DROP_UNKNOWN_PROTOCOL';
  const l4 = l3 + headerLength;
  const l4Length = totalLength - headerLength;
  if (l4Length < shortest) return 'DROP_TRUNCATED';
  if (protocol === PROTOCOL.tcp) {
    const dataOffset = ((frame[l4 + 12] ?? 0) >> 4) * 4;
    if (dataOffset < 20 || dataOffset > l4Length) return 'DROP_BAD_HEADER';
  }
  const flags = protocol === PROTOCOL.tcp ? (frame[l4 + 13] ?? 0) : 0;
  const hasPorts = protocol !== PROTOCOL.icmp;
  return {
    frame,
    l3,
    source,
    destination,
    l4,
    headerLength,
    totalLength,
    protocol,
    ttl: frame[l3 + 8] ?? 0,
    sourcePort: hasPorts ? read16(frame, l4) : 0,
    destinationPort: hasPorts ? read16(frame, l4 + 2) : 0,
    tcp: { fin: (flags & 1) !== 0, syn: (flags & 2) !== 0, rst: (flags & 4) !== 0, ack: (flags & 16) !== 0 },
  };
}

function shortestL4(protocol: number): number | undefined {
  if (protocol === PROTOCOL.tcp) return 20;
  if (protocol === PROTOCOL.udp || protocol === PROTOCOL.icmp) return 8;
  return undefined;
}

/** Of SYN, ACK, FIN and RST only SYN. */
export const isSyn = ({ tcp }: Packet): boolean => tcp.syn && !tcp.ack && !tcp.fin && !tcp.rst;
