/** Services that are for some clients only. */
import { expect } from 'vitest';
import { ip } from '../../model/bytes.ts';
import { buildFrame, TCP } from '../../model/packet.ts';
import { mirror, mirrorText } from '../network.ts';
import { answerTo, CLIENT, CLIENT_PORT, datagram, segment } from '../scene.ts';
import { at, service, VIP } from '../situation.ts';
import type { Case } from './case.ts';

const A = '10.2.0.1';
const INSIDE = { source: CLIENT };
const OUTSIDE = { source: CLIENT + 256 };

const syn6 = (source: bigint): Buffer =>
  buildFrame({
    ip: { source, destination: mirror(VIP) },
    l4: { kind: 'tcp', sourcePort: CLIENT_PORT, destinationPort: 80, flags: TCP.SYN },
  });

export const SOURCE_RANGE_CASES: readonly Case[] = [
  {
    name: 'clients outside the source ranges are dropped, known flows go on',
    async run(scene) {
      scene.pair.reset();
      const open = service(VIP, 80, 'TCP', [at(A, 8080)]);
      await scene.apply([open]);
      const out = scene.out(segment(TCP.SYN, { ip: OUTSIDE }));
      await scene.apply([{ ...open, sourceRanges: ['198.51.100.0/24', '192.0.2.7/32'] }]);
      scene.outFrame(answerTo(out));
      scene.outFrame(segment(TCP.ACK, { ip: OUTSIDE }));
      scene.outFrame(segment(TCP.SYN, { ip: INSIDE }));
      const other = segment(TCP.SYN, { ip: OUTSIDE, sourcePort: CLIENT_PORT + 1 });
      expect(scene.send(other)).toMatchObject({ verdict: 'drop', reason: 'DROP_SOURCE_RANGE', events: [] });
      await scene.apply([open]);
      scene.outFrame(other);
    },
  },
  {
    name: 'source ranges hold for fragments, and not for routers that tell of errors',
    async run(scene) {
      scene.pair.reset();
      const open = service(VIP, 53, 'UDP', [at(A, 5353)]);
      await scene.apply([{ ...open, sourceRanges: ['198.51.100.0/24'] }]);
      const piece = (fragment: number, ends: { source: number }) =>
        datagram(Buffer.alloc(16), {}, { fragment, ...ends });
      scene.expectDrop(piece(0x2000, OUTSIDE), 'DROP_SOURCE_RANGE');
      scene.expectDrop(piece(3, OUTSIDE), 'DROP_EARLY_FRAGMENT');
      const out = scene.out(piece(0x2000, INSIDE));
      scene.outFrame(piece(3, INSIDE));
      const answered = scene.outFrame(answerTo(out));
      const error = buildFrame({
        ip: { source: ip('203.0.113.9'), destination: VIP },
        l4: { kind: 'icmp', type: 3, code: 4, rest: 1400, payload: answered.subarray(14, 42) },
      });
      expect(scene.out(error)).toMatchObject({ destination: ip(A), l4ChecksumRight: true });
    },
  },
  {
    name: 'source ranges of IPv6',
    async run(scene) {
      scene.pair.reset();
      const service6 = service(mirror(VIP), 80, 'TCP', [at(mirrorText(A), 8080)]);
      await scene.apply([{ ...service6, sourceRanges: [`${mirrorText('198.51.100.0')}/64`] }]);
      scene.outFrame(syn6(mirror(CLIENT)));
      scene.expectDrop(syn6(mirror(CLIENT + 256)), 'DROP_SOURCE_RANGE');
    },
  },
];
