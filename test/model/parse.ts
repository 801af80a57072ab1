/** Reads a frame for assertions: which fields it has, and whether its checksums are right. */
import { onesSum, read16, read32, write16, write32 } from './bytes.ts';
import { PROTOCOL } from './packet.ts';

export interface ParsedFrame {
  readonly destinationMac: string;
  readonly sourceMac: string;
  /** VLAN ids, outer first. */
  readonly vlans: readonly number[];
  readonly ttl: number;
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly tcpFlags: number;
  readonly seq: number;
  readonly ack: number;
  readonly l4: Uint8Array;
  readonly ipChecksumRight: boolean;
  /** A UDP checksum of 0 is right. */
  readonly l4ChecksumRight: boolean;
}

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');

/** Throws if the frame is not whole. */
export function parseFrame(frame: Uint8Array): ParsedFrame {
  let at = 12;
  const vlans: number[] = [];
  while (read16(frame, at) === 0x8100 || read16(frame, at) === 0x88a8) {
    vlans.push(read16(frame, at + 2) & 0xfff);
    at += 4;
  }
  if (read16(frame, at) !== 0x0800) throw new Error(`not IPv4: ${hex(frame)}`);
  const l3 = at + 2;
  const headerLength = ((frame[l3] ?? 0) & 0xf) * 4;
  const end = l3 + read16(frame, l3 + 2);
  if (end > frame.length) throw new Error(`truncated: ${hex(frame)}`);
  const l4 = frame.subarray(l3 + headerLength, end);
  const protocol = frame[l3 + 9] ?? 0;
  return {
    destinationMac: hex(frame.subarray(0, 6)),
    sourceMac: hex(frame.subarray(6, 12)),
    vlans,
    ttl: frame[l3 + 8] ?? 0,
    protocol,
    source: read32(frame, l3 + 12),
    destination: read32(frame, l3 + 16),
    sourcePort: read16(l4, 0),
    destinationPort: read16(l4, 2),
    tcpFlags: l4[13] ?? 0,
    seq: read32(l4, 4),
    ack: read32(l4, 8),
    l4,
    ipChecksumRight: onesSum(frame, l3, l3 + headerLength) === 0xffff,
    l4ChecksumRight: isL4ChecksumRight(frame, l3, l4, protocol),
  };
}

function isL4ChecksumRight(frame: Uint8Array, l3: number, l4: Uint8Array, protocol: number): boolean {
  if (protocol === PROTOCOL.icmp) return onesSum(l4, 0, l4.length) === 0xffff;
  if (protocol === PROTOCOL.udp && read16(l4, 6) === 0) return true;
  const pseudo = new Uint8Array(12);
  write32(pseudo, 0, read32(frame, l3 + 12));
  write32(pseudo, 4, read32(frame, l3 + 16));
  write16(pseudo, 8, protocol);
  write16(pseudo, 10, l4.length);
  return onesSum(l4, 0, l4.length, onesSum(pseudo, 0, 12)) === 0xffff;
}
