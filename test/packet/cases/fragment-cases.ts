/** Fragments follow their first one, in both directions. */
import { expect } from 'vitest';
import { ip, read16, write16 } from '../../model/bytes.ts';
import { buildFrame, TCP } from '../../model/packet.ts';
import { parseFrame } from '../../model/parse.ts';
import { CLIENT, datagram, type Scene, segment } from '../scene.ts';
import { VIP } from '../situation.ts';
import type { Case } from './case.ts';

const A = '10.2.0.1';
const MORE = 0x2000;

/** A datagram cut in three: 16, 16 and the rest of its payload bytes and UDP header. */
function cut(whole: Uint8Array): [first: Buffer, middle: Buffer, last: Buffer] {
  const { source, destination, protocol, l4 } = parseFrame(whole);
  const part = (from: number, to: number): Buffer =>
    buildFrame({
      ip: { source, destination, id: 0x1234, fragment: (to < l4.length ? MORE : 0) | (from / 8) },
      l4: { kind: 'raw', protocol, payload: l4.subarray(from, to) },
    });
  return [part(0, 16), part(16, 32), part(32, l4.length)];
}

/** What the fragments make when they are put together. */
function join(frames: readonly Uint8Array[]): Buffer {
  const parts = frames.map((frame) => parseFrame(frame));
  const [first] = parts;
  if (first === undefined) return expect.fail('no fragments');
  expect(parts.every(({ ipChecksumRight }) => ipChecksumRight)).toBe(true);
  const { source, destination, protocol } = first;
  return buildFrame({
    ip: { source, destination },
    l4: { kind: 'raw', protocol, payload: Buffer.concat(parts.map(({ l4 }) => l4)) },
  });
}

const LONG = Buffer.from('a datagram that does not fit into one packet of this size');

export const FRAGMENT_CASES: readonly Case[] = [
  {
    name: 'fragments of a datagram go the way of the first, and of its answer too',
    async run(scene: Scene) {
      await scene.begin(A);
      const out = parseFrame(join(cut(datagram(LONG)).map((frame) => scene.outFrame(frame))));
      expect(out).toMatchObject({ destinationPort: 5353, l4ChecksumRight: true });
      expect(Buffer.from(out.l4.subarray(8))).toEqual(LONG);
      const answer = buildFrame({
        ip: { source: out.destination, destination: out.source },
        l4: { kind: 'udp', sourcePort: out.destinationPort, destinationPort: out.sourcePort, payload: LONG },
      });
      const back = parseFrame(join(cut(answer).map((frame) => scene.outFrame(frame))));
      expect(back).toMatchObject({ source: VIP, sourcePort: 53, destination: CLIENT, l4ChecksumRight: true });
    },
  },
  {
    name: 'a later fragment that comes first is dropped, as is one that is late by a minute',
    async run(scene: Scene) {
      await scene.begin(A);
      const [first, middle, last] = cut(datagram(LONG));
      scene.expectDrop(middle, 'DROP_EARLY_FRAGMENT');
      scene.outFrame(first);
      scene.outFrame(last);
      scene.passSeconds(61);
      scene.expectDrop(middle, 'DROP_EARLY_FRAGMENT');
    },
  },
  {
    name: 'a first fragment that another CPU saw a moment later is known',
    async run(scene: Scene) {
      await scene.begin(A);
      const [first, middle] = cut(datagram(LONG));
      scene.outFrame(first);
      scene.pair.age(-500);
      scene.outFrame(middle);
    },
  },
  {
    name: 'a later fragment that overlaps follows, and teaches nothing',
    async run(scene: Scene) {
      await scene.begin(A);
      const [first, middle, last] = cut(datagram(LONG));
      scene.outFrame(first);
      // From byte 8 of the datagram on, with other bytes there: none of them is a port.
      const { source, destination, protocol, l4 } = parseFrame(middle);
      const over = buildFrame({
        ip: { source, destination, id: 0x1234, fragment: MORE | 1 },
        l4: { kind: 'raw', protocol, payload: l4 },
      });
      for (const frame of [over, middle, last, first]) {
        expect(scene.out(frame)).toMatchObject({ destination: ip(A), ipChecksumRight: true });
      }
      // The first one sent again, for a port that nobody serves: refused, and the others go on as they were.
      const [other] = cut(datagram(LONG, { destinationPort: 54 }));
      expect(scene.send(other)).toMatchObject({ verdict: 'drop', reason: 'DROP_UNKNOWN_PORT' });
      scene.outFrame(middle);
    },
  },
  {
    name: 'fragments of another id, protocol or source are not taken for these',
    async run(scene: Scene) {
      await scene.begin(A);
      const [first, middle] = cut(datagram(LONG));
      scene.outFrame(first);
      const changed = (at: number, value: number): Buffer => {
        const frame = Buffer.from(middle);
        write16(frame, at, value);
        return frame;
      };
      scene.expectDrop(changed(18, 0x1235), 'DROP_EARLY_FRAGMENT');
      scene.expectDrop(changed(22, (read16(middle, 22) & 0xff00) | 6), 'DROP_EARLY_FRAGMENT');
      scene.expectDrop(changed(28, read16(middle, 28) + 1), 'DROP_EARLY_FRAGMENT');
    },
  },
  {
    name: 'a first fragment that is refused teaches nothing, and is refused in silence',
    async run(scene: Scene) {
      await scene.begin(A);
      const [first, middle] = cut(datagram(LONG, { destinationPort: 54 }));
      expect(scene.send(first)).toMatchObject({ verdict: 'drop', reason: 'DROP_UNKNOWN_PORT', events: [] });
      scene.expectDrop(middle, 'DROP_EARLY_FRAGMENT');
      const [syn] = cut(segment(TCP.SYN, { destinationPort: 54, payload: LONG }));
      scene.expectDrop(syn, 'DROP_TRUNCATED');
    },
  },
  {
    name: 'a long ping is answered piece by piece',
    async run(scene: Scene) {
      await scene.begin(A);
      const ping = buildFrame({
        ip: { source: CLIENT, destination: VIP },
        l4: { kind: 'icmp', type: 8, code: 0, rest: 0x00010002, payload: LONG },
      });
      const reply = parseFrame(join(cut(ping).map((frame) => scene.outFrame(frame))));
      expect(reply).toMatchObject({ source: VIP, destination: CLIENT, l4ChecksumRight: true });
      expect(reply.l4[0]).toBe(0);
    },
  },
];
