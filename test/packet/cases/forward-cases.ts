/** From client to backend and back, byte by byte. */
import { expect } from 'vitest';
import { ip, isV6, mac, read16, write16 } from '../../model/bytes.ts';
import { buildFrame, l4ChecksumOver, TCP } from '../../model/packet.ts';
import { parseFrame } from '../../model/parse.ts';
import {
  answerTo,
  CLIENT,
  CLIENT_PORT,
  datagram,
  GATEWAY_MAC,
  LAN_MAC,
  type Scene,
  segment,
} from '../scene.ts';
import { POOL, VIP } from '../situation.ts';
import type { Case } from './case.ts';

const BACKEND = '10.2.0.1';
const BACKEND_MAC = '02:09:0a:02:00:01';

/** The segment as it must leave, built from scratch. */
function forwarded(
  snatAddress: number,
  snatPort: number,
  fields: { ttl: number; ipOptions?: Uint8Array },
): Buffer {
  return buildFrame({
    destinationMac: mac(BACKEND_MAC),
    sourceMac: mac(LAN_MAC),
    ip: {
      source: snatAddress,
      destination: ip(BACKEND),
      id: 77,
      ttl: fields.ttl,
      ...(fields.ipOptions ? { options: fields.ipOptions } : {}),
    },
    l4: {
      kind: 'tcp',
      sourcePort: snatPort,
      destinationPort: 8080,
      flags: TCP.SYN,
      seq: 1000,
      ack: 2000,
      payload: Buffer.from('hello'),
    },
  });
}

async function expectForwarded(scene: Scene, ttl: number, ipOptions?: Uint8Array): Promise<void> {
  await scene.begin(BACKEND);
  const options = ipOptions ? { options: ipOptions } : {};
  const out = scene.outFrame(segment(TCP.SYN, { ip: { ttl, ...options } }));
  const { source, sourcePort } = parseFrame(out);
  if (isV6(source)) expect.fail('an IPv4 packet left with an IPv6 address');
  expect(scene.pair.model.config.snat.map(({ address }) => address)).toContain(source);
  const expected = forwarded(source, sourcePort, { ttl: ttl - 1, ...(ipOptions ? { ipOptions } : {}) });
  expect(Buffer.from(out)).toEqual(expected);
}

export const FORWARD_CASES: readonly Case[] = [
  { name: 'a SYN goes to the backend', run: (scene) => expectForwarded(scene, 64) },
  {
    name: 'with the longest IP options',
    run: (scene) => expectForwarded(scene, 64, new Uint8Array(40).fill(1)),
  },
  { name: 'with a TTL of 2', run: (scene) => expectForwarded(scene, 2) },
  { name: 'with a TTL of 255', run: (scene) => expectForwarded(scene, 255) },
  {
    name: 'a TTL of 1 or 0 ends here, both ways',
    async run(scene) {
      await scene.begin(BACKEND);
      for (const ttl of [0, 1]) {
        const result = scene.send(segment(TCP.SYN, { ip: { ttl } }));
        expect(result).toMatchObject({ verdict: 'tx', events: ['EVENT_TTL_ANSWERED'] });
        const said = parseFrame(result.verdict === 'tx' ? result.frame : expect.fail('nothing was said'));
        expect(said).toMatchObject({ source: VIP, destination: CLIENT, l4ChecksumRight: true });
        expect([said.l4[0], said.l4[1]]).toEqual([11, 0]);
      }
      const out = scene.out(segment(TCP.SYN));
      for (const ttl of [0, 1]) scene.expectDrop(answerTo(out, TCP.ACK, { ttl }), 'DROP_TTL');
    },
  },
  {
    name: 'an answer comes from the VIP and goes to the client by its gateway',
    async run(scene) {
      await scene.begin(BACKEND);
      const out = scene.out(segment(TCP.SYN));
      const back = scene.outFrame(answerTo(out, TCP.SYN | TCP.ACK));
      expect(Buffer.from(back)).toEqual(
        buildFrame({
          destinationMac: mac(GATEWAY_MAC),
          sourceMac: mac(LAN_MAC),
          ip: { source: VIP, destination: CLIENT, id: 79, ttl: 63 },
          l4: {
            kind: 'tcp',
            sourcePort: 80,
            destinationPort: CLIENT_PORT,
            flags: TCP.SYN | TCP.ACK,
            payload: Buffer.from('answer'),
          },
        }),
      );
    },
  },
  {
    name: 'TCP options and padding are kept',
    async run(scene) {
      await scene.begin(BACKEND);
      const options = Uint8Array.of(2, 4, 5, 0xb4, 1, 3, 3, 7, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0);
      const padding = Uint8Array.of(9, 8, 7, 6, 5);
      const frame = segment(TCP.SYN, { options, payload: new Uint8Array(0) }, { padding });
      const out = scene.outFrame(frame);
      expect(out.length).toBe(frame.length);
      expect(Buffer.from(out.subarray(-5))).toEqual(Buffer.from(padding));
      expect(Buffer.from(out.subarray(54, 74))).toEqual(Buffer.from(options));
      expect(parseFrame(out)).toMatchObject({ ipChecksumRight: true, l4ChecksumRight: true });
    },
  },
  {
    name: 'a wrong checksum stays wrong',
    async run(scene) {
      await scene.begin(BACKEND);
      expect(scene.out(segment(TCP.SYN, { checksum: 0x1234 })).l4ChecksumRight).toBe(false);
      expect(scene.out(segment(TCP.SYN, { ip: { checksum: 0x1234 } })).ipChecksumRight).toBe(false);
    },
  },
  {
    name: 'UDP there and back',
    async run(scene) {
      await scene.begin(BACKEND);
      const out = scene.out(datagram());
      expect(out).toMatchObject({ destination: ip(BACKEND), destinationPort: 5353, l4ChecksumRight: true });
      expect(scene.record.state).toBe('FLOW_UDP');
      const back = scene.out(answerTo(out));
      expect(back).toMatchObject({ source: VIP, sourcePort: 53, destination: CLIENT, l4ChecksumRight: true });
      expect(scene.record.state).toBe('FLOW_UDP_REPLIED');
    },
  },
  {
    name: 'a UDP checksum of 0 stays 0, with any payload',
    async run(scene) {
      await scene.begin(BACKEND);
      const out = scene.out(datagram(Buffer.from('odd'), { checksum: 0 }));
      expect(read16(out.l4, 6)).toBe(0);
    },
  },
  {
    name: 'a UDP checksum that becomes 0 is written as 0xffff',
    async run(scene) {
      await scene.begin(BACKEND);
      const first = scene.out(datagram(Uint8Array.of(0, 0)));
      // The payload that makes the sum over what leaves come out as 0.
      const l4 = Uint8Array.from(first.l4);
      write16(l4, 6, 0);
      write16(l4, 8, l4ChecksumOver(l4, first.source, first.destination, 17));
      expect(l4ChecksumOver(l4, first.source, first.destination, 17)).toBe(0);
      const out = scene.out(datagram(l4.subarray(8, 10)));
      expect(read16(out.l4, 6)).toBe(0xffff);
      expect(out.l4ChecksumRight).toBe(true);
    },
  },
  {
    name: 'what is not ours is not touched',
    async run(scene) {
      await scene.begin(BACKEND);
      const to = (destination: string) => segment(TCP.SYN, { ip: { destination: ip(destination) } });
      const others = [
        '10.0.255.255',
        '10.1.1.0',
        '10.1.7.127',
        '192.0.2.15',
        '192.0.2.18',
        '255.255.255.255',
      ];
      const frames = [
        ...others.map(to),
        segment(TCP.SYN, {}, { ethertype: 0x0806 }),
        segment(TCP.SYN, {}, { ethertype: 0x86dd }),
        segment(TCP.SYN, { ip: { destination: ip('8.8.8.8'), version: 7, ttl: 0, checksum: 1 } }),
        segment(TCP.SYN).subarray(0, 33),
        segment(TCP.SYN, {}, { tags: [{ tci: 1 }, { tci: 2 }, { tci: 3 }] }),
        segment(TCP.SYN, {}, { tags: [{ tci: 1 }] }).subarray(0, 17),
      ];
      for (const frame of frames.filter((each) => scene.canRun(each))) {
        const result = scene.send(frame);
        expect(result).toMatchObject({ verdict: 'pass', events: [] });
        expect(Buffer.from(result.verdict === 'pass' ? result.frame : [])).toEqual(Buffer.from(frame));
      }
      expect(scene.pair.model.counters.drops.size + scene.pair.model.counters.events.size).toBe(0);
    },
  },
  {
    name: 'both ends of the VIP ranges are ours',
    async run(scene) {
      await scene.begin(BACKEND);
      for (const destination of ['10.1.0.0', '10.1.0.255', '10.1.7.128', '10.1.7.255']) {
        scene.expectDrop(segment(TCP.SYN, { ip: { destination: ip(destination) } }), 'DROP_UNKNOWN_VIP');
      }
    },
  },
  {
    name: 'without VIP ranges of IPv4 none of its packets is for a VIP, and answers are looked at',
    setup: 'ipv6',
    run(scene) {
      scene.pair.reset();
      for (const destination of [ip('0.0.0.0'), VIP, ip('255.255.255.255')]) {
        const result = scene.send(segment(TCP.SYN, { ip: { destination } }));
        expect(result).toMatchObject({ verdict: 'pass', events: [] });
      }
      scene.expectDrop(segment(TCP.ACK, { ip: { destination: POOL } }), 'DROP_SNAT_NO_FLOW');
    },
  },
  {
    name: 'a known flow does not vouch for its TCP header',
    async run(scene) {
      await scene.begin(BACKEND);
      scene.outFrame(answerTo(scene.out(segment(TCP.SYN))));
      scene.out(segment(TCP.ACK));
      for (const dataOffset of [0, 4, 15]) {
        scene.expectDrop(segment(TCP.ACK, { dataOffset }), 'DROP_BAD_HEADER');
      }
      scene.out(segment(TCP.ACK));
    },
  },
  {
    name: 'neighbouring SNAT addresses each serve their own ports',
    async run(scene) {
      await scene.begin(BACKEND);
      const seen = new Set<string>();
      for (let port = 1; port <= 60; port += 1) {
        const out = scene.out(segment(TCP.SYN, { sourcePort: port }));
        seen.add(`${out.source}:${out.sourcePort}`);
        expect(scene.out(answerTo(out)).destinationPort).toBe(port);
      }
      expect(seen.size).toBe(60);
      expect([...seen].filter((key) => key.startsWith(`${POOL + 1}:`))).toHaveLength(20);
    },
  },
];
