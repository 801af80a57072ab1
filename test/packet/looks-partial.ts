/** Packets on tc whose L4 checksum is by chance the sum of their pseudo header. */
import { read16 } from '../model/bytes.ts';
import { PROTOCOL, pseudoSum } from '../model/packet.ts';
import { parseFrame } from '../model/parse.ts';

/**
 * A program takes it for one whose checksum the kernel completes (docs/packet-path.md, section 5), and in a
 * test run nobody does.
 */
export function looksPartial(frame: Uint8Array): boolean {
  const packet = parsed(frame);
  if (packet === undefined) return false;
  const { l4, protocol, source, destination } = packet;
  if (protocol !== PROTOCOL.tcp && protocol !== PROTOCOL.udp) return false;
  const at = protocol === PROTOCOL.tcp ? 16 : 6;
  return l4.length >= at + 2 && read16(l4, at) === pseudoSum(source, destination, protocol, l4.length);
}

/** Undefined: it is not whole. */
function parsed(frame: Uint8Array): ReturnType<typeof parseFrame> | undefined {
  try {
    return parseFrame(frame);
  } catch {
    return undefined;
  }
}
