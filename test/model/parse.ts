/** Reads a frame for assertions: which fields it has, and whether its checksums are right. */
import { type Address, onesSum, read16, read32, readAddress } from './bytes.ts';
import { PROTOCOL, pseudoSum } from './packet.ts';
import { walkExtensions } from './well-formed.ts';

export interface ParsedFrame {
  readonly destinationMac: string;
  readonly sourceMac: string;
  /** VLAN ids, outer first. */
  readonly vlans: readonly number[];
  readonly ttl: number;
  readonly protocol: number;
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly tcpFlags: number;
  readonly seq: number;
  readonly ack: number;
  readonly l4: Uint8Array;
  /** True for IPv6, which has none. */
  readonly ipChecksumRight: boolean;
  /** A UDP checksum of 0 is right for IPv4. */
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
  const header = readHeader(frame, at + 2, read16(frame, at));
  const { l4, protocol, source, destination } = header;
  return {
    destinationMac: hex(frame.subarray(0, 6)),
    sourceMac: hex(frame.subarray(6, 12)),
    vlans,
    ...header,
    sourcePort: read16(l4, 0),
    destinationPort: read16(l4, 2),
    tcpFlags: l4[13] ?? 0,
    seq: read32(l4, 4),
    ack: read32(l4, 8),
    l4ChecksumRight: isL4ChecksumRight(l4, protocol, source, destination),
  };
}

function readHeader(frame: Uint8Array, l3: number, ethertype: number) {
  if (ethertype === 0x86dd) return readIpv6(frame, l3);
  if (ethertype !== 0x0800) throw new Error(`neither IPv4 nor IPv6: ${hex(frame)}`);
  const headerLength = ((frame[l3] ?? 0) & 0xf) * 4;
  const end = l3 + read16(frame, l3 + 2);
  if (end > frame.length) throw new Error(`truncated: ${hex(frame)}`);
  return {
    l4: frame.subarray(l3 + headerLength, end),
    ttl: frame[l3 + 8] ?? 0,
    protocol: frame[l3 + 9] ?? 0,
    source: readAddress(frame, l3 + 12, 4),
    destination: readAddress(frame, l3 + 16, 4),
    ipChecksumRight: onesSum(frame, l3, l3 + headerLength) === 0xffff,
  };
}

function readIpv6(frame: Uint8Array, l3: number) {
  const end = l3 + 40 + read16(frame, l3 + 4);
  const walked = walkExtensions(frame, l3);
  if (end > frame.length || typeof walked === 'string') throw new Error(`not whole: ${hex(frame)}`);
  return {
    l4: frame.subarray(l3 + walked.headerLength, end),
    ttl: frame[l3 + 7] ?? 0,
    protocol: walked.protocol,
    source: readAddress(frame, l3 + 8, 16),
    destination: readAddress(frame, l3 + 24, 16),
    ipChecksumRight: true,
  };
}

function isL4ChecksumRight(l4: Uint8Array, protocol: number, source: Address, destination: Address): boolean {
  if (protocol === PROTOCOL.icmp) return onesSum(l4, 0, l4.length) === 0xffff;
  if (protocol === PROTOCOL.udp && read16(l4, 6) === 0) return typeof source === 'number';
  return onesSum(l4, 0, l4.length, pseudoSum(source, destination, protocol, l4.length)) === 0xffff;
}
