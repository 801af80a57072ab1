/** Ethernet frames of the smallest size, and what the wrapper needs to restore them. */
import type { Tuple } from './tuples.ts';

const ETHERNET = 14;
const IPV4 = 20;
/** Without the frame check sequence. */
const SMALLEST_FRAME = 60;

export interface FrameOptions {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly tuple: Tuple;
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

/** A frame without payload, padded to 60 bytes, with correct checksums. */
export function buildFrame(options: FrameOptions): Buffer {
  const { tuple, protocol } = options;
  const l4Size = protocol === 'TCP' ? 20 : 8;
  const frame = Buffer.alloc(SMALLEST_FRAME);
  macBytes(options.destinationMac).copy(frame, 0);
  macBytes(options.sourceMac).copy(frame, 6);
  frame.writeUInt16BE(0x0800, 12);
  const ip = frame.subarray(ETHERNET, ETHERNET + IPV4);
  ip.writeUInt8(0x45, 0);
  ip.writeUInt16BE(IPV4 + l4Size, 2);
  ip.writeUInt8(64, 8);
  ip.writeUInt8(protocol === 'TCP' ? 6 : 17, 9);
  ip.writeUInt32BE(tuple.source, 12);
  ip.writeUInt32BE(tuple.destination, 16);
  ip.writeUInt16BE(internetChecksum(ip), 10);
  const l4 = frame.subarray(ETHERNET + IPV4, ETHERNET + IPV4 + l4Size);
  l4.writeUInt16BE(tuple.sourcePort, 0);
  l4.writeUInt16BE(tuple.destinationPort, 2);
  if (protocol === 'TCP') {
    l4.writeUInt8(0x50, 12);
    l4.writeUInt8(options.flags ?? 0, 13);
    l4.writeUInt16BE(0x2000, 14);
  } else {
    l4.writeUInt16BE(l4Size, 4);
  }
  const pseudo = Buffer.alloc(12);
  ip.copy(pseudo, 0, 12, 20);
  pseudo.writeUInt16BE(ip.readUInt8(9), 8);
  pseudo.writeUInt16BE(l4Size, 10);
  const pseudoSum = ~internetChecksum(pseudo) & 0xffff;
  l4.writeUInt16BE(internetChecksum(l4, pseudoSum), protocol === 'TCP' ? 16 : 6);
  return frame;
}

/** The wrapper's variables in .rodata for this frame, as bytes. */
export function frameRodata(frame: Buffer): Record<string, Uint8Array> {
  const isTcp = frame.readUInt8(23) === 6;
  const length = Buffer.alloc(4);
  length.writeUInt32LE(frame.length);
  return {
    frame_length: length,
    frame_mac_low: frame.subarray(0, 8),
    frame_mac_high: frame.subarray(8, 12),
    frame_ttl_checksum: frame.subarray(22, 26),
    frame_l4_checksum: isTcp ? frame.subarray(50, 52) : frame.subarray(40, 42),
    frame_is_tcp: Uint8Array.of(isTcp ? 1 : 0),
  };
}
