/** Frames of both families, and what DSR makes of them, computed from scratch. */
import { checksumOf, onesSum } from '../../model/bytes.ts';
import { addressBytes, type Flow, familyOf } from './addresses.ts';
import { GUE_PORT, type Mode, OUTER4, OUTER6 } from './hand-made.ts';

export const TCP_FLAGS = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

export interface InnerFields {
  readonly flow: Flow;
  /** TOS or traffic class. */
  readonly tos?: number;
  readonly ttl?: number;
  /** IPv4: flags and offset; default DF. */
  readonly fragment?: number;
  readonly id?: number;
  readonly flags?: number;
  readonly seq?: number;
  readonly payload?: number;
  /** IPv4 options or IPv6 extension headers, as they stand behind the fixed header. */
  readonly extra?: Buffer;
  /** What the fixed IPv6 header names when there are extension headers. */
  readonly nextHeader?: number;
}

function tcpOrUdp(fields: InnerFields): Buffer {
  const { flow, flags = TCP_FLAGS.ack, seq = 1000, payload = 5 } = fields;
  const head = Buffer.alloc(flow.protocol === 6 ? 20 : 8);
  head.writeUInt16BE(flow.clientPort, 0);
  head.writeUInt16BE(flow.vipPort, 2);
  if (flow.protocol === 6) {
    head.writeUInt32BE(seq, 4);
    head.writeUInt8(0x50, 12);
    head.writeUInt8(flags, 13);
  } else {
    head.writeUInt16BE(8 + payload, 4);
  }
  const l4 = Buffer.concat([head, Buffer.alloc(payload, 'l4lb')]);
  const pseudo = Buffer.concat([
    addressBytes(flow.client),
    addressBytes(flow.vip),
    Buffer.from([0, flow.protocol, l4.length >> 8, l4.length & 255]),
  ]);
  const checksum = checksumOf(l4, 0, l4.length, onesSum(pseudo, 0, pseudo.length));
  l4.writeUInt16BE(checksum || 0xffff, flow.protocol === 6 ? 16 : 6);
  return l4;
}

/** The IP packet of a client to a VIP. */
export function innerPacket(fields: InnerFields): Buffer {
  const { flow, tos = 0, ttl = 64, extra = Buffer.alloc(0) } = fields;
  const l4 = tcpOrUdp(fields);
  if (familyOf(flow.vip) === 6) {
    const ip = Buffer.alloc(40);
    ip.writeUInt32BE(((6 << 28) | (tos << 20) | 0x12345) >>> 0, 0);
    ip.writeUInt16BE(extra.length + l4.length, 4);
    ip.writeUInt8(fields.nextHeader ?? flow.protocol, 6);
    ip.writeUInt8(ttl, 7);
    addressBytes(flow.client).copy(ip, 8);
    addressBytes(flow.vip).copy(ip, 24);
    return Buffer.concat([ip, extra, l4]);
  }
  const ip = Buffer.concat([Buffer.alloc(20), extra]);
  ip.writeUInt8(0x40 | (ip.length / 4), 0);
  ip.writeUInt8(tos, 1);
  ip.writeUInt16BE(ip.length + l4.length, 2);
  ip.writeUInt16BE(fields.id ?? 0x4c42, 4);
  ip.writeUInt16BE(fields.fragment ?? 0x4000, 6);
  ip.writeUInt8(ttl, 8);
  ip.writeUInt8(flow.protocol, 9);
  addressBytes(flow.client).copy(ip, 12);
  addressBytes(flow.vip).copy(ip, 16);
  ip.writeUInt16BE(checksumOf(ip, 0, ip.length), 10);
  return Buffer.concat([ip, l4]);
}

export const LB_MAC = Buffer.from('020000000001', 'hex');
export const ROUTER_MAC = Buffer.from('0200000000fe', 'hex');

export interface LinkFields {
  readonly to?: Uint8Array;
  readonly from?: Uint8Array;
  /** VLAN ids, outer first. */
  readonly tags?: readonly number[];
}

/** Behind an Ethernet header from the router to the balancer, or others. */
export function frameOf(
  packet: Buffer,
  { to = LB_MAC, from = ROUTER_MAC, tags = [] }: LinkFields = {},
): Buffer {
  const type = packet.readUInt8(0) >> 4 === 4 ? 0x0800 : 0x86dd;
  const shims = tags.map((tag) => Buffer.from([0x81, 0x00, tag >> 8, tag & 255]));
  return Buffer.concat([to, from, ...shims, Buffer.from([type >> 8, type & 255]), packet]);
}

/** The packet with one hop less. */
export function oneHopOn(packet: Buffer): Buffer {
  const bytes = Buffer.from(packet);
  if (bytes.readUInt8(0) >> 4 === 6) {
    bytes.writeUInt8(bytes.readUInt8(7) - 1, 7);
    return bytes;
  }
  bytes.writeUInt8(bytes.readUInt8(8) - 1, 8);
  bytes.writeUInt16BE(0, 10);
  const size = (bytes.readUInt8(0) & 15) * 4;
  bytes.writeUInt16BE(checksumOf(bytes, 0, size), 10);
  return bytes;
}

export interface OuterFields {
  readonly mode: Mode;
  readonly backend: string;
  readonly hash: number;
  /** IPv4: DF clear, and this id. */
  readonly fragmentId?: number;
}

/** What the hash varies of an outer source: its last two bytes, in the order of a little-endian store. */
const varied = (hash: number): Buffer => Buffer.from([(hash >>> 16) & 255, hash >>> 24]);

function gueHeader(inner: Buffer, hash: number, protocol: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(0xc000 | (hash & 0x3fff), 0);
  bytes.writeUInt16BE(GUE_PORT, 2);
  bytes.writeUInt16BE(12 + inner.length, 4);
  bytes.writeUInt8(protocol, 9);
  return bytes;
}

/** The packet inside the outer headers of the mode; `inner` has made its hop. */
export function encapsulated(inner: Buffer, { mode, backend, hash, fragmentId }: OuterFields): Buffer {
  if (mode === 'l2') return inner;
  const isIpv4 = inner.readUInt8(0) >> 4 === 4;
  const protocol = isIpv4 ? 4 : 41;
  const tos = isIpv4 ? inner.readUInt8(1) : (inner.readUInt16BE(0) >> 4) & 255;
  const body = mode === 'gue' ? Buffer.concat([gueHeader(inner, hash, protocol), inner]) : inner;
  const next = mode === 'gue' ? 17 : protocol;
  if (familyOf(backend) === 6) {
    const ip = Buffer.alloc(40);
    ip.writeUInt32BE(((6 << 28) | (tos << 20) | (hash & 0xfffff)) >>> 0, 0);
    ip.writeUInt16BE(body.length, 4);
    ip.writeUInt8(next, 6);
    ip.writeUInt8(64, 7);
    addressBytes(OUTER6.network).copy(ip, 8);
    varied(hash).copy(ip, 22);
    addressBytes(backend).copy(ip, 24);
    return Buffer.concat([ip, body]);
  }
  const ip = Buffer.alloc(20);
  ip.writeUInt8(0x45, 0);
  ip.writeUInt8(tos, 1);
  ip.writeUInt16BE(20 + body.length, 2);
  ip.writeUInt16BE(fragmentId ?? 0, 4);
  ip.writeUInt16BE(fragmentId === undefined ? 0x4000 : 0, 6);
  ip.writeUInt8(64, 8);
  ip.writeUInt8(next, 9);
  addressBytes(OUTER4.network).copy(ip, 12);
  varied(hash).copy(ip, 14);
  addressBytes(backend).copy(ip, 16);
  ip.writeUInt16BE(checksumOf(ip, 0, 20), 10);
  return Buffer.concat([ip, body]);
}
