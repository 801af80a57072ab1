/** docs/packet-path.md, sections 1 and 2: is the packet ours, and does it make sense. */
import { type Address, isV6, read16, read32, readAddress } from './bytes.ts';
import { EXTENSION, PROTOCOL } from './packet.ts';
import type { DropReason, ModelConfig, Range, Service } from './state.ts';

/** A frame whose IP header is inside it; nothing else is known yet. */
export interface IpFrame {
  readonly frame: Uint8Array;
  /** Where the IP header begins. */
  readonly l3: number;
  readonly family: 4 | 6;
  readonly source: Address;
  readonly destination: Address;
}

/** What the IP header says of the packet as a whole. */
interface IpHeader {
  /** With options or extension headers. */
  readonly headerLength: number;
  readonly totalLength: number;
  readonly protocol: number;
  readonly ttl: number;
  readonly fragment: 'none' | 'first' | 'later';
  readonly fragmentId: number;
  /** Routers must not fragment it; of IPv6 they never may. */
  readonly dontFragment: boolean;
}

/** A well-formed packet. Ports of ICMP are type and code, and the checksum; of a later fragment 0. */
export interface Packet extends IpFrame, IpHeader {
  readonly l4: number;
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

/** Undefined: no IP that could be ours. */
export function readLinkLayer(frame: Uint8Array): IpFrame | undefined {
  if (frame.length < 14) return undefined;
  let at = 12;
  for (let tags = 0; tags < MAX_TAGS && isTag(read16(frame, at)); tags += 1) {
    at += 4;
    if (at + 2 > frame.length) return undefined;
  }
  const l3 = at + 2;
  const ethertype = read16(frame, at);
  const addresses = (family: 4 | 6, from: number, size: 4 | 16): IpFrame => ({
    frame,
    l3,
    family,
    source: readAddress(frame, from, size),
    destination: readAddress(frame, from + size, size),
  });
  if (ethertype === 0x0800 && frame.length >= l3 + 20) return addresses(4, l3 + 12, 4);
  if (ethertype === 0x86dd && frame.length >= l3 + 40) return addresses(6, l3 + 8, 16);
  return undefined;
}

const isTag = (ethertype: number): boolean => ethertype === 0x8100 || ethertype === 0x88a8;

export type Destination =
  | { readonly kind: 'vip' }
  | { readonly kind: 'snat'; readonly index: number; readonly own: boolean };

/** VIP ranges are looked at first. Undefined: not ours. */
export function whoseIs(config: ModelConfig, address: Address): Destination | undefined {
  if (config.vips.some((range) => isInRange(range, address))) return { kind: 'vip' };
  const index = config.snat.findIndex((snat) => snat.address === address);
  if (index < 0) return undefined;
  return { kind: 'snat', index, own: config.snat[index]?.own ?? false };
}

/** Of the same family, and inside. */
function isInRange({ network, mask }: Range, address: Address): boolean {
  if (isV6(address)) return isV6(network) && isV6(mask) && (address & mask) === network;
  return !isV6(network) && !isV6(mask) && (address & mask) >>> 0 === network;
}

/** Whether the service's source ranges let the packet's sender in. */
export const isClient = (service: Service | undefined, { source }: IpFrame): boolean =>
  service?.sources === undefined || service.sources.some((range) => isInRange(range, source));

/** What the IP header says, as far as it goes; later checks may still refuse the packet. */
export function lengthOf({ frame, l3, family }: IpFrame): number {
  return family === 4 ? read16(frame, l3 + 2) : (read16(frame, l3 + 4) + 40) & 0xffff;
}

/** The packet, or why it is dropped. */
export function readPacket(ip: IpFrame): Packet | DropReason {
  const { frame, l3, family } = ip;
  const header = family === 4 ? readIpv4(ip) : readIpv6(ip);
  if (typeof header === 'string') return header;
  const { protocol, headerLength, totalLength, fragment } = header;
  const shortest = shortestL4(protocol, family);
  if (shortest === undefined) return 'DROP_UNKNOWN_PROTOCOL';
  const l4 = l3 + headerLength;
  const l4Length = totalLength - headerLength;
  const isHeadless = fragment === 'later';
  if (!isHeadless && l4Length < shortest) return 'DROP_TRUNCATED';
  if (protocol === PROTOCOL.tcp && !isHeadless) {
    const dataOffset = ((frame[l4 + 12] ?? 0) >> 4) * 4;
    if (dataOffset < 20 || (dataOffset > l4Length && fragment === 'none')) return 'DROP_BAD_HEADER';
  }
  const flags = protocol === PROTOCOL.tcp && !isHeadless ? (frame[l4 + 13] ?? 0) : 0;
  return {
    ...ip,
    ...header,
    l4,
    sourcePort: isHeadless ? 0 : read16(frame, l4),
    destinationPort: isHeadless ? 0 : read16(frame, l4 + 2),
    tcp: { fin: (flags & 1) !== 0, syn: (flags & 2) !== 0, rst: (flags & 4) !== 0, ack: (flags & 16) !== 0 },
  };
}

function readIpv4({ frame, l3 }: IpFrame): IpHeader | DropReason {
  const headerLength = ((frame[l3] ?? 0) & 0xf) * 4;
  const totalLength = read16(frame, l3 + 2);
  if ((frame[l3] ?? 0) >> 4 !== 4 || headerLength < 20 || totalLength < headerLength)
    return 'DROP_BAD_HEADER';
  if (frame.length - l3 < totalLength) return 'DROP_TRUNCATED';
  const word = read16(frame, l3 + 6);
  return {
    headerLength,
    totalLength,
    protocol: frame[l3 + 9] ?? 0,
    ttl: frame[l3 + 8] ?? 0,
    fragment: (word & 0x1fff) !== 0 ? 'later' : (word & 0x2000) !== 0 ? 'first' : 'none',
    fragmentId: read16(frame, l3 + 4),
    dontFragment: (word & 0x4000) !== 0,
  };
}

function readIpv6({ frame, l3 }: IpFrame): IpHeader | DropReason {
  const totalLength = read16(frame, l3 + 4) + 40;
  if ((frame[l3] ?? 0) >> 4 !== 6 || totalLength > 0xffff) return 'DROP_BAD_HEADER';
  if (frame.length - l3 < totalLength) return 'DROP_TRUNCATED';
  const walked = walkExtensions(frame, l3);
  if (typeof walked === 'string') return walked;
  if (totalLength < walked.headerLength) return 'DROP_TRUNCATED';
  return { ...walked, dontFragment: true, totalLength, ttl: frame[l3 + 7] ?? 0 };
}

const MOST_BYTES = 256;
const MOST_HEADERS = 6;
type Walked = Pick<IpHeader, 'headerLength' | 'protocol' | 'fragment' | 'fragmentId'>;

/** The extension headers of an IPv6 packet. */
export function walkExtensions(frame: Uint8Array, l3: number): Walked | DropReason {
  let next = frame[l3 + 6] ?? 0;
  let size = 0;
  let fragment: IpHeader['fragment'] = 'none';
  let fragmentId = 0;
  for (let headers = 0; ; headers += 1) {
    if (size > MOST_BYTES) return 'DROP_EXTENSION_HEADER';
    const isExtension = (Object.values(EXTENSION) as number[]).includes(next);
    if (fragment === 'later' || !isExtension) break;
    const at = l3 + 40 + size;
    if (at + 8 > frame.length) return 'DROP_TRUNCATED';
    if (headers === MOST_HEADERS) return 'DROP_EXTENSION_HEADER';
    if (next === EXTENSION.routing && frame[at + 3] !== 0) return 'DROP_EXTENSION_HEADER';
    if (next === EXTENSION.fragment) {
      const word = read16(frame, at + 2);
      if (word >> 3 !== 0) fragment = 'later';
      else if ((word & 1) !== 0) fragment = 'first';
      fragmentId = read32(frame, at + 4);
      size += 8;
    } else {
      size += ((frame[at + 1] ?? 0) + 1) * 8;
    }
    next = frame[at] ?? 0;
  }
  return { headerLength: 40 + size, protocol: next, fragment, fragmentId };
}

function shortestL4(protocol: number, family: 4 | 6): number | undefined {
  if (protocol === PROTOCOL.tcp) return 20;
  if (protocol === PROTOCOL.udp || protocol === icmpOf(family)) return 8;
  return undefined;
}

const icmpOf = (family: 4 | 6): number => (family === 4 ? PROTOCOL.icmp : PROTOCOL.icmp6);

export const isIcmp = ({ protocol, family }: Packet): boolean => protocol === icmpOf(family);

/** Of SYN, ACK, FIN and RST only SYN. */
export const isSyn = ({ tcp }: Packet): boolean => tcp.syn && !tcp.ack && !tcp.fin && !tcp.rst;
