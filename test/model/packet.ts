/**
 * Builds frames with right checksums, computed from scratch over the finished
 * bytes. Anything can be made wrong on purpose by the override fields.
 */
import { type Address, checksumOf, isV6, mac, onesSum, write16, write32, writeAddress } from './bytes.ts';

export interface Tag {
  /** 0x8100 or 0x88a8; default 0x8100. */
  readonly ethertype?: number;
  /** PCP, DEI and id. */
  readonly tci: number;
}

/** A header in front of L4; its first byte becomes the next header's number. */
export interface Extension {
  readonly kind: number;
  /** A multiple of 8. */
  readonly bytes: Uint8Array;
}

/** Of either family; both addresses are of one. What the family does not have is ignored. */
export interface IpFields {
  readonly source: Address;
  readonly destination: Address;
  /** Or hop limit. */
  readonly ttl?: number;
  /** Or traffic class. */
  readonly tos?: number;
  /** IPv6. */
  readonly flowLabel?: number;
  /** IPv6. */
  readonly extensions?: readonly Extension[];
  /** IPv6; overrides what goes on the wire, as totalLength does for IPv4. */
  readonly payloadLength?: number;
  readonly id?: number;
  /** Flags and fragment offset as on the wire; default 0x4000 (DF). */
  readonly fragment?: number;
  /** Option bytes; padded with zeroes to whole words. */
  readonly options?: Uint8Array;
  /** Overrides what goes on the wire. */
  readonly totalLength?: number;
  readonly headerWords?: number;
  readonly version?: number;
  readonly checksum?: number;
}

export interface TcpFields {
  readonly kind: 'tcp';
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** See {@link TCP}. */
  readonly flags: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly options?: Uint8Array;
  readonly payload?: Uint8Array;
  readonly dataOffset?: number;
  readonly checksum?: number;
}

export interface UdpFields {
  readonly kind: 'udp';
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload?: Uint8Array;
  readonly length?: number;
  readonly checksum?: number;
}

export interface IcmpFields {
  readonly kind: 'icmp';
  readonly type: number;
  readonly code: number;
  /** The four bytes after the checksum; an echo's id and sequence number. */
  readonly rest?: number;
  readonly payload?: Uint8Array;
  readonly checksum?: number;
}

export interface RawFields {
  readonly kind: 'raw';
  readonly protocol: number;
  readonly payload: Uint8Array;
}

export interface FrameFields {
  readonly destinationMac?: Uint8Array;
  readonly sourceMac?: Uint8Array;
  readonly tags?: readonly Tag[];
  /** Default: what the addresses are. */
  readonly ethertype?: number;
  readonly ip: IpFields;
  readonly l4: TcpFields | UdpFields | IcmpFields | RawFields;
  /** Bytes behind the datagram. */
  readonly padding?: Uint8Array;
}

export const TCP = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;
export const EXTENSION = { hopByHop: 0, routing: 43, fragment: 44, destination: 60 } as const;

const NONE = new Uint8Array(0);
const LB_MAC = mac('02:00:00:00:00:01');
const ROUTER_MAC = mac('02:00:00:00:00:fe');

export function buildFrame(fields: FrameFields): Buffer {
  const l4 = buildL4(fields.l4);
  const { ip } = fields;
  const protocol = protocolOf(fields);
  const header = isIpv6(ip) ? buildIpv6(ip, protocol, l4.length) : buildIpHeader(ip, protocol, l4.length);
  setL4Checksum(l4, fields);
  return Buffer.concat([linkLayer(fields), header, l4, fields.padding ?? NONE]);
}

export const isIpv6 = (ip: IpFields): boolean => isV6(ip.source);

function protocolOf({ ip, l4 }: FrameFields): number {
  if (l4.kind === 'raw') return l4.protocol;
  return l4.kind === 'icmp' && isIpv6(ip) ? PROTOCOL.icmp6 : PROTOCOL[l4.kind];
}

function buildIpv6(fields: IpFields, protocol: number, l4Length: number): Uint8Array {
  const extensions = fields.extensions ?? [];
  const kinds = [...extensions.map(({ kind }) => kind), protocol];
  const chain = Buffer.concat(
    extensions.map(({ bytes }, i) => {
      const copy = Uint8Array.from(bytes);
      copy[0] = kinds[i + 1] as number;
      return copy;
    }),
  );
  const bytes = new Uint8Array(40 + chain.length);
  write32(
    bytes,
    0,
    ((fields.version ?? 6) * 2 ** 28 + (fields.tos ?? 0) * 2 ** 20 + (fields.flowLabel ?? 0)) >>> 0,
  );
  write16(bytes, 4, fields.payloadLength ?? chain.length + l4Length);
  bytes[6] = kinds[0] as number;
  bytes[7] = fields.ttl ?? 64;
  writeAddress(bytes, 8, fields.source);
  writeAddress(bytes, 24, fields.destination);
  bytes.set(chain, 40);
  return bytes;
}

function linkLayer(fields: FrameFields): Uint8Array {
  const tags = fields.tags ?? [];
  const bytes = new Uint8Array(14 + tags.length * 4);
  bytes.set(fields.destinationMac ?? LB_MAC, 0);
  bytes.set(fields.sourceMac ?? ROUTER_MAC, 6);
  tags.forEach((tag, i) => {
    write16(bytes, 12 + i * 4, tag.ethertype ?? 0x8100);
    write16(bytes, 14 + i * 4, tag.tci);
  });
  write16(bytes, bytes.length - 2, fields.ethertype ?? (isIpv6(fields.ip) ? 0x86dd : 0x0800));
  return bytes;
}

function buildIpHeader(fields: IpFields, protocol: number, l4Length: number): Uint8Array {
  const options = wholeWords(fields.options ?? NONE);
  const bytes = new Uint8Array(20 + options.length);
  bytes[0] = ((fields.version ?? 4) << 4) | (fields.headerWords ?? bytes.length / 4);
  bytes[1] = fields.tos ?? 0;
  write16(bytes, 2, fields.totalLength ?? bytes.length + l4Length);
  write16(bytes, 4, fields.id ?? 0);
  write16(bytes, 6, fields.fragment ?? 0x4000);
  bytes[8] = fields.ttl ?? 64;
  bytes[9] = protocol;
  writeAddress(bytes, 12, fields.source);
  writeAddress(bytes, 16, fields.destination);
  bytes.set(options, 20);
  write16(bytes, 10, fields.checksum ?? checksumOf(bytes, 0, bytes.length));
  return bytes;
}

function buildL4(l4: FrameFields['l4']): Uint8Array {
  if (l4.kind === 'tcp') return buildTcp(l4);
  if (l4.kind === 'udp') return buildUdp(l4);
  if (l4.kind === 'icmp') return buildIcmp(l4);
  return Uint8Array.from(l4.payload);
}

function buildTcp(fields: TcpFields): Uint8Array {
  const options = wholeWords(fields.options ?? NONE);
  const payload = fields.payload ?? NONE;
  const bytes = new Uint8Array(20 + options.length + payload.length);
  write16(bytes, 0, fields.sourcePort);
  write16(bytes, 2, fields.destinationPort);
  write32(bytes, 4, fields.seq ?? 0);
  write32(bytes, 8, fields.ack ?? 0);
  bytes[12] = (fields.dataOffset ?? 5 + options.length / 4) << 4;
  bytes[13] = fields.flags;
  write16(bytes, 14, fields.window ?? 64240);
  bytes.set(options, 20);
  bytes.set(payload, 20 + options.length);
  return bytes;
}

function buildUdp(fields: UdpFields): Uint8Array {
  const payload = fields.payload ?? NONE;
  const bytes = new Uint8Array(8 + payload.length);
  write16(bytes, 0, fields.sourcePort);
  write16(bytes, 2, fields.destinationPort);
  write16(bytes, 4, fields.length ?? bytes.length);
  bytes.set(payload, 8);
  return bytes;
}

function buildIcmp(fields: IcmpFields): Uint8Array {
  const payload = fields.payload ?? NONE;
  const bytes = new Uint8Array(8 + payload.length);
  bytes[0] = fields.type;
  bytes[1] = fields.code;
  write32(bytes, 4, fields.rest ?? 0);
  bytes.set(payload, 8);
  return bytes;
}

function setL4Checksum(l4: Uint8Array, fields: FrameFields): void {
  const kind = fields.l4.kind;
  if (kind === 'raw') return;
  const at = kind === 'tcp' ? 16 : kind === 'udp' ? 6 : 2;
  write16(l4, at, fields.l4.checksum ?? rightL4Checksum(l4, fields, kind));
}

function rightL4Checksum(l4: Uint8Array, fields: FrameFields, kind: 'tcp' | 'udp' | 'icmp'): number {
  const { ip } = fields;
  if (kind === 'icmp' && !isIpv6(ip)) return checksumOf(l4, 0, l4.length);
  const checksum = l4ChecksumOver(l4, ip.source, ip.destination, protocolOf(fields));
  return kind === 'udp' && checksum === 0 ? 0xffff : checksum;
}

/** Checksum over the pseudo header and `l4`, which holds 0 in its checksum field (or: 0 if the field is right). */
export function l4ChecksumOver(
  l4: Uint8Array,
  source: Address,
  destination: Address,
  protocol: number,
): number {
  return checksumOf(l4, 0, l4.length, pseudoSum(source, destination, protocol, l4.length));
}

/** Sum of a pseudo header; that of IPv6 adds up to the same words. */
export function pseudoSum(source: Address, destination: Address, protocol: number, length: number): number {
  const pseudo = new Uint8Array(36);
  writeAddress(pseudo, 0, source);
  writeAddress(pseudo, 16, destination);
  write16(pseudo, 32, protocol);
  write16(pseudo, 34, length);
  return onesSum(pseudo, 0, 36);
}

function wholeWords(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}
