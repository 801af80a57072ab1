/** Ethernet frames of the smallest size, and what the wrapper needs to restore them. */
import type { Tuple } from './tuples.ts';

const ETHERNET = 14;
const IPV4 = 20;
const IPV6 = 40;
/** What is before the last word of IPv6 addresses, which is the tuple's: fd64::/96 and fd00:1::/96. */
export const CLIENT_PREFIX6 = Buffer.from('fd6400000000000000000000', 'hex');
export const VIP_PREFIX6 = Buffer.from('fd0000010000000000000000', 'hex');
/** Without the frame check sequence. */
const SMALLEST_FRAME = 60;

export interface FrameOptions {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly tuple: Tuple;
  /** Default 4. */
  readonly family?: 4 | 6;
  /** TCP only. */
  readonly flags?: number;
}

function macBytes(mac: string): Buffer {
  const bytes = Buffer.from(mac.replaceAll(':', ''), 'hex');
  if (bytes.length !== 6) throw new RangeError(`not a MAC address: ${mac}`);
  return bytes;
}

/** Internet checksum (RFC 1071) of the bytes, with a sum to begin from. */
export function internetChecksum(bytes: Uint8Array, begin = 0): number {
  let sum = begin;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function writeIpv4(ip: Buffer, tuple: Tuple, protocol: number, payload: number): void {
  ip.writeUInt8(0x45, 0);
  ip.writeUInt16BE(IPV4 + payload, 2);
  ip.writeUInt8(64, 8);
  ip.writeUInt8(protocol, 9);
  ip.writeUInt32BE(tuple.source, 12);
  ip.writeUInt32BE(tuple.destination, 16);
  ip.writeUInt16BE(internetChecksum(ip), 10);
}

function writeIpv6(ip: Buffer, tuple: Tuple, protocol: number, payload: number): void {
  ip.writeUInt8(0x60, 0);
  ip.writeUInt16BE(payload, 4);
  ip.writeUInt8(protocol, 6);
  ip.writeUInt8(64, 7);
  CLIENT_PREFIX6.copy(ip, 8);
  ip.writeUInt32BE(tuple.source, 20);
  VIP_PREFIX6.copy(ip, 24);
  ip.writeUInt32BE(tuple.destination, 36);
}

/** A frame without payload, padded to 60 bytes, with correct checksums. */
export function buildFrame(options: FrameOptions): Buffer {
  const { tuple, protocol, family = 4 } = options;
  const l4Size = protocol === 'TCP' ? 20 : 8;
  const l3Size = family === 4 ? IPV4 : IPV6;
  const number = protocol === 'TCP' ? 6 : 17;
  const frame = Buffer.alloc(Math.max(SMALLEST_FRAME, ETHERNET + l3Size + l4Size));
  macBytes(options.destinationMac).copy(frame, 0);
  macBytes(options.sourceMac).copy(frame, 6);
  frame.writeUInt16BE(family === 4 ? 0x0800 : 0x86dd, 12);
  const ip = frame.subarray(ETHERNET, ETHERNET + l3Size);
  if (family === 4) writeIpv4(ip, tuple, number, l4Size);
  else writeIpv6(ip, tuple, number, l4Size);
  const l4 = frame.subarray(ETHERNET + l3Size, ETHERNET + l3Size + l4Size);
  l4.writeUInt16BE(tuple.sourcePort, 0);
  l4.writeUInt16BE(tuple.destinationPort, 2);
  if (protocol === 'TCP') {
    l4.writeUInt8(0x50, 12);
    l4.writeUInt8(options.flags ?? 0, 13);
    l4.writeUInt16BE(0x2000, 14);
  } else {
    l4.writeUInt16BE(l4Size, 4);
  }
  const addresses = family === 4 ? ip.subarray(12, 20) : ip.subarray(8, 40);
  const pseudo = Buffer.concat([addresses, Buffer.from([0, number, 0, l4Size])]);
  const pseudoSum = ~internetChecksum(pseudo) & 0xffff;
  l4.writeUInt16BE(internetChecksum(l4, pseudoSum), protocol === 'TCP' ? 16 : 6);
  return frame;
}

/** The wrapper's variables in .rodata for this frame, as bytes. */
export function frameRodata(frame: Buffer): Record<string, Uint8Array> {
  const isIpv6 = frame.readUInt16BE(12) === 0x86dd;
  const isTcp = frame.readUInt8(isIpv6 ? 20 : 23) === 6;
  const l4 = ETHERNET + (isIpv6 ? IPV6 : IPV4);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(frame.length);
  return {
    frame_length: length,
    frame_mac_low: frame.subarray(0, 8),
    frame_mac_high: frame.subarray(8, 12),
    frame_ttl_checksum: isIpv6 ? frame.subarray(18, 22) : frame.subarray(22, 26),
    frame_source: isIpv6 ? frame.subarray(22, 38) : Buffer.alloc(16),
    frame_destination: isIpv6 ? frame.subarray(38, 54) : Buffer.alloc(16),
    frame_l4_checksum: isTcp ? frame.subarray(l4 + 16, l4 + 18) : frame.subarray(l4 + 6, l4 + 8),
    frame_is_tcp: Uint8Array.of(isTcp ? 1 : 0),
    frame_is_ipv6: Uint8Array.of(isIpv6 ? 1 : 0),
  };
}
