/** docs/packet-path.md, section 8, "Rewriting", and the small changes that answers need. */
import { type Address, addressBytes, read16, updateChecksum, words, write16, writeAddress } from './bytes.ts';
import { PROTOCOL } from './packet.ts';
import type { Packet } from './well-formed.ts';

export interface Addresses {
  readonly source: Address;
  readonly destination: Address;
}

export interface Tuple extends Addresses {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** A copy of the frame with new addresses and ports, and TTL less 1. */
export function rewrite(packet: Packet, to: Tuple): Uint8Array {
  const frame = Uint8Array.from(packet.frame);
  rewriteIp(frame, packet, to, packet.ttl - 1);
  if (packet.fragment === 'later') return frame;
  const { l4 } = packet;
  write16(frame, l4, to.sourcePort);
  write16(frame, l4 + 2, to.destinationPort);
  const at = l4 + (packet.protocol === PROTOCOL.tcp ? 16 : 6);
  const checksum = read16(frame, at);
  if (packet.protocol === PROTOCOL.udp && checksum === 0) return frame;
  const updated = updateChecksum(
    checksum,
    [...addressWords(packet), packet.sourcePort, packet.destinationPort],
    [...addressWords(to), to.sourcePort, to.destinationPort],
  );
  write16(frame, at, packet.protocol === PROTOCOL.udp && updated === 0 ? 0xffff : updated);
  return frame;
}

export const addressWords = ({ source, destination }: Addresses): number[] => [
  ...words(source),
  ...words(destination),
];

/** Addresses, TTL or hop limit, and for IPv4 the header's checksum by difference. */
export function rewriteIp(frame: Uint8Array, packet: Packet, to: Addresses, ttl: number): void {
  const { l3, family } = packet;
  const ttlAt = l3 + (family === 4 ? 8 : 7);
  const addressesAt = l3 + (family === 4 ? 12 : 8);
  const ttlWord = read16(frame, l3 + 8);
  frame[ttlAt] = ttl;
  writeAddress(frame, addressesAt, to.source);
  writeAddress(frame, addressesAt + addressBytes(to.source), to.destination);
  if (family === 6) return;
  const before = [ttlWord, ...addressWords(packet)];
  const after = [read16(frame, l3 + 8), ...addressWords(to)];
  write16(frame, l3 + 10, updateChecksum(read16(frame, l3 + 10), before, after));
}

export function swapMacs(frame: Uint8Array): void {
  const destination = frame.slice(0, 6);
  frame.copyWithin(0, 6, 12);
  frame.set(destination, 6);
}
