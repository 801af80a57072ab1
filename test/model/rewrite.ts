/** docs/packet-path.md, section 8, "Rewriting", and the small changes that answers need. */
import { read16, read32, updateChecksum, words, write16, write32 } from './bytes.ts';
import { PROTOCOL } from './packet.ts';
import type { Packet } from './well-formed.ts';

export interface Tuple {
  readonly source: number;
  readonly sourcePort: number;
  readonly destination: number;
  readonly destinationPort: number;
}

/** A copy of the frame with new addresses and ports, and TTL less 1. */
export function rewrite(packet: Packet, to: Tuple): Uint8Array {
  const { l3, l4 } = packet;
  const frame = Uint8Array.from(packet.frame);
  const addressesBefore = [...words(packet.source), ...words(packet.destination)];
  const addressesAfter = [...words(to.source), ...words(to.destination)];

  const ttlWord = read16(frame, l3 + 8);
  frame[l3 + 8] = packet.ttl - 1;
  write32(frame, l3 + 12, to.source);
  write32(frame, l3 + 16, to.destination);
  const before = [ttlWord, ...addressesBefore];
  const after = [read16(frame, l3 + 8), ...addressesAfter];
  write16(frame, l3 + 10, updateChecksum(read16(frame, l3 + 10), before, after));

  write16(frame, l4, to.sourcePort);
  write16(frame, l4 + 2, to.destinationPort);
  const at = l4 + (packet.protocol === PROTOCOL.tcp ? 16 : 6);
  const checksum = read16(frame, at);
  if (packet.protocol === PROTOCOL.udp && checksum === 0) return frame;
  const updated = updateChecksum(
    checksum,
    [...addressesBefore, packet.sourcePort, packet.destinationPort],
    [...addressesAfter, to.sourcePort, to.destinationPort],
  );
  write16(frame, at, packet.protocol === PROTOCOL.udp && updated === 0 ? 0xffff : updated);
  return frame;
}

export function swapMacs(frame: Uint8Array): void {
  const destination = frame.slice(0, 6);
  frame.copyWithin(0, 6, 12);
  frame.set(destination, 6);
}

export function swapIpAddresses(frame: Uint8Array, l3: number): void {
  const source = read32(frame, l3 + 12);
  write32(frame, l3 + 12, read32(frame, l3 + 16));
  write32(frame, l3 + 16, source);
}
