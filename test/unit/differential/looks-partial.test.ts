import { expect, test } from 'vitest';
import { ip, ip6, write16 } from '../../model/bytes.ts';
import { buildFrame, pseudoSum } from '../../model/packet.ts';
import { looksPartial } from '../../packet/looks-partial.ts';

test.each([
  { source: ip('198.51.100.4'), destination: ip('10.1.0.2'), l3: 20 },
  { source: ip6('2001:db8::4'), destination: ip6('fd00:1::2'), l3: 40 },
])(
  'a checksum that is the pseudo header’s sum, and no other, looks partial',
  ({ source, destination, l3 }) => {
    for (const [kind, protocol, size, at] of [
      ['udp', 17, 8, 6],
      ['tcp', 6, 20, 16],
    ] as const) {
      const ports = { sourcePort: 40_003, destinationPort: 81, payload: Buffer.alloc(11, 'l4lb') };
      const l4 = kind === 'udp' ? { kind, ...ports } : { kind, ...ports, flags: 2 };
      const frame = buildFrame({ ip: { source, destination }, l4 });
      expect(looksPartial(frame)).toBe(false);
      write16(frame, 14 + l3 + at, pseudoSum(source, destination, protocol, size + 11));
      expect(looksPartial(frame)).toBe(true);
    }
  },
);

test('what is no whole packet does not', () => {
  expect(looksPartial(new Uint8Array(60))).toBe(false);
});
