/** What a packet may have beside its ends: options, tags, padding; and what may be wrong with it. */
import { isV6, read16, write16 } from '../model/bytes.ts';
import { EXTENSION, type Extension, type FrameFields } from '../model/packet.ts';
import type { Random } from './random.ts';

/** Options, tags, padding, strange checksums. */
export function decorate(random: Random, fields: FrameFields): FrameFields {
  const options = (): Uint8Array => random.bytes(random.below(11) * 4);
  const isUdp = fields.l4.kind === 'udp';
  const what = random.below(6);
  if (what === 0 && isV6(fields.ip.source))
    return { ...fields, ip: { ...fields.ip, extensions: extensions(random) } };
  if (what === 0) return { ...fields, ip: { ...fields.ip, options: options() } };
  if (what === 1 && fields.l4.kind === 'tcp') return { ...fields, l4: { ...fields.l4, options: options() } };
  if (what === 2) return { ...fields, padding: random.bytes(random.below(40)) };
  if (what === 3 && fields.l4.kind !== 'raw') {
    const checksum = isUdp && random.chance(0.6) ? 0 : random.below(65536);
    return { ...fields, l4: { ...fields.l4, checksum } };
  }
  const tags = Array.from(
    {
      length: random.weighted([
        [6, 1],
        [2, 2],
        [1, 3],
      ]),
    },
    () => ({
      ethertype: random.chance(0.7) ? 0x8100 : 0x88a8,
      tci: random.below(65536),
    }),
  );
  return { ...fields, tags };
}

/** A few headers in front of L4; now and then more, or longer ones, than are walked. */
function extensions(random: Random): Extension[] {
  const count = random.chance(0.1) ? 6 + random.below(3) : 1 + random.below(3);
  return Array.from({ length: count }, () => {
    const kind = random.pick([EXTENSION.hopByHop, EXTENSION.routing, EXTENSION.destination]);
    const words = random.chance(0.1) ? random.below(20) : 0;
    const bytes = random.bytes(8 + 8 * words);
    bytes[1] = words;
    if (random.chance(0.9)) bytes[3] = 0;
    return { kind, bytes };
  });
}

/** Breaks the frame somewhere, most likely in its headers. */
export function mutate(random: Random, frame: Uint8Array): Uint8Array {
  const what = random.below(5);
  if (what === 0) return frame.subarray(0, 14 + random.below(Math.max(1, frame.length - 14)));
  const broken = Uint8Array.from(frame);
  const wide = read16(broken, 12) === 0x86dd;
  if (what === 1) broken[14] = random.pick([0x44, 0x45, 0x46, 0x4f, 0x55, 0x65, 0x40, random.below(256)]);
  else if (what === 2)
    write16(
      broken,
      wide ? 18 : 16,
      random.chance(0.5) ? frame.length - 14 + random.below(5) - 2 : random.below(80),
    );
  else if (what === 3 && wide) broken[20] = random.pick([0, 6, 17, 43, 44, 50, 58, 59, 60]);
  else if (what === 3) write16(broken, 20, random.pick([0x2000, 0x0001, 0x1fff, 0x8000, 0x6000, 0x4000]));
  else {
    const at = 12 + random.below(Math.min(50, frame.length - 12));
    broken[at] = random.below(256);
  }
  return broken;
}
