/** Builds frames of both families from scratch, with every checksum computed in full. */

import { type IpAddress, parseAddress, wordsOf } from '../../../src/net/address.ts';
import { checksumOf, onesSum, write16 } from '../../model/bytes.ts';

export const PROTOCOL = { icmp: 1, ipip: 4, tcp: 6, udp: 17, ipv6: 41, fragment: 44, icmp6: 58 } as const;
export const FLAGS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

const MACS = Buffer.from('020000000001020000000002', 'hex');

/** An IP packet of one family: header and what is behind it. */
export interface IpOptions {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly payload: Uint8Array;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  /** IPv4: flags and fragment offset as they are in the header, e.g. 0x2000 for more fragments. */
  readonly fragment?: number;
  readonly options?: Uint8Array;
}

const addressOf = (text: string): IpAddress => {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
};

export function addressBytes(text: string): Buffer {
  const address = addressOf(text);
  const bytes = Buffer.alloc(typeof address === 'number' ? 4 : 16);
  wordsOf(address).forEach((word, index) => {
    if (index * 4 < bytes.length) bytes.writeUInt32BE(word, index * 4);
  });
  return bytes;
}

export const isV6 = (text: string): boolean => text.includes(':');

export function ipPacket(options: IpOptions): Buffer {
  return isV6(options.to) ? ipv6(options) : ipv4(options);
}

function ipv4({ from, to, protocol, payload, options = Buffer.alloc(0), ...rest }: IpOptions): Buffer {
  const header = Buffer.alloc(20 + options.length);
  header[0] = 0x40 | (header.length / 4);
  header[1] = rest.tos ?? 0;
  write16(header, 2, header.length + payload.length);
  write16(header, 4, rest.id ?? 0x1234);
  write16(header, 6, rest.fragment ?? 0x4000);
  header[8] = rest.ttl ?? 63;
  header[9] = protocol;
  addressBytes(from).copy(header, 12);
  addressBytes(to).copy(header, 16);
  Buffer.from(options).copy(header, 20);
  write16(header, 10, checksumOf(header, 0, header.length));
  return Buffer.concat([header, payload]);
}

function ipv6({ from, to, protocol, payload, ttl, tos }: IpOptions): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32BE(((6 << 28) | ((tos ?? 0) << 20) | 0x12345) >>> 0, 0);
  write16(header, 4, payload.length);
  header[6] = protocol;
  header[7] = ttl ?? 63;
  addressBytes(from).copy(header, 8);
  addressBytes(to).copy(header, 24);
  return Buffer.concat([header, payload]);
}

function pseudoSum(from: string, to: string, protocol: number, length: number): number {
  const both = Buffer.concat([addressBytes(from), addressBytes(to)]);
  return onesSum(both, 0, both.length, protocol + length);
}

export interface L4Options {
  readonly from: string;
  readonly to: string;
  readonly sport: number;
  readonly dport: number;
  readonly payload?: Uint8Array;
}

export function tcp(
  { from, to, sport, dport, payload = Buffer.from('hello') }: L4Options,
  flags: number,
): Buffer {
  const segment = Buffer.concat([Buffer.alloc(20), payload]);
  write16(segment, 0, sport);
  write16(segment, 2, dport);
  segment.writeUInt32BE(1000, 4);
  segment.writeUInt32BE(2000, 8);
  segment[12] = 0x50;
  segment[13] = flags;
  write16(segment, 14, 0xffff);
  const sum = pseudoSum(from, to, PROTOCOL.tcp, segment.length);
  write16(segment, 16, checksumOf(segment, 0, segment.length, sum));
  return segment;
}

/** checksum false: none, as IPv4 may. */
export function udp(
  { from, to, sport, dport, payload = Buffer.from('query') }: L4Options,
  checksum = true,
): Buffer {
  const datagram = Buffer.concat([Buffer.alloc(8), payload]);
  write16(datagram, 0, sport);
  write16(datagram, 2, dport);
  write16(datagram, 4, datagram.length);
  if (!checksum) return datagram;
  const sum = pseudoSum(from, to, PROTOCOL.udp, datagram.length);
  write16(datagram, 6, checksumOf(datagram, 0, datagram.length, sum) || 0xffff);
  return datagram;
}

/** An ICMP or ICMPv6 message with a quote. rest: the four bytes before it. */
export function icmp(
  from: string,
  to: string,
  type: number,
  code: number,
  rest: number,
  quote: Uint8Array,
): Buffer {
  const message = Buffer.concat([Buffer.alloc(8), quote]);
  message[0] = type;
  message[1] = code;
  message.writeUInt32BE(rest, 4);
  const sum = isV6(to) ? pseudoSum(from, to, PROTOCOL.icmp6, message.length) : 0;
  write16(message, 2, checksumOf(message, 0, message.length, sum));
  return message;
}

/** A frame from an IP packet; tags: 802.1Q ids, the outermost first. */
export function frame(packet: Uint8Array, tags: readonly number[] = []): Buffer {
  const version = (packet[0] ?? 0) >> 4;
  const tagged = tags.map((tag) => Buffer.from([0x81, 0x00, tag >> 8, tag & 0xff]));
  const type = Buffer.from(version === 6 ? [0x86, 0xdd] : [0x08, 0x00]);
  return Buffer.concat([MACS, ...tagged, type, packet]);
}

export type Tunnel = 'ipip' | 'gue';
export const GUE_PORT = 6080;

/** The inner packet in a tunnel between two addresses, as an LB node sends it. */
export function tunnelled(inner: Uint8Array, from: string, to: string, how: Tunnel = 'ipip'): Buffer {
  const carried = (inner[0] ?? 0) >> 4 === 6 ? PROTOCOL.ipv6 : PROTOCOL.ipip;
  if (how === 'ipip') return ipPacket({ from, to, protocol: carried, payload: inner, id: 0, ttl: 64 });
  const gue = Buffer.concat([Buffer.from([0, carried, 0, 0]), inner]);
  const payload = udp({ from, to, sport: 0xc123, dport: GUE_PORT, payload: gue }, false);
  return ipPacket({ from, to, protocol: PROTOCOL.udp, payload, id: 0, ttl: 64 });
}
