/** What is malformed, unknown, refused or answered by the balancer itself. */
import { expect } from 'vitest';
import { ip, mac, read16, write16 } from '../../model/bytes.ts';
import { buildFrame, type FrameFields, TCP } from '../../model/packet.ts';
import { parseFrame } from '../../model/parse.ts';
import { CLIENT, CLIENT_PORT, datagram, type Scene, segment } from '../scene.ts';
import { OWN, POOL, UNUSED_VIP, VIP } from '../situation.ts';
import type { Case } from './case.ts';

const A = '10.2.0.1';
const LB = mac('02:00:00:00:00:01');
const ROUTER = mac('02:00:00:00:00:fe');

function changed(frame: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(frame);
  write16(copy, at, value);
  return copy;
}

const echo = (rest: number, ipFields: Partial<FrameFields['ip']> = {}, payload = new Uint8Array(8)): Buffer =>
  buildFrame({
    ip: { source: CLIENT, destination: VIP, ...ipFields },
    l4: { kind: 'icmp', type: 8, code: 0, rest, payload },
  });

/** Malformed in each way the page lists: frame and reason. */
function malformed(destination: number): Array<[string, Buffer, string]> {
  const to = { destination };
  const whole = segment(TCP.SYN, { ip: to });
  const udp = datagram(new Uint8Array(0), {}, to);
  const raw = (protocol: number, bytes: number): Buffer =>
    buildFrame({
      ip: { source: CLIENT, ...to },
      l4: { kind: 'raw', protocol, payload: new Uint8Array(bytes) },
    });
  return [
    ['IP version 5', segment(TCP.SYN, { ip: { ...to, version: 5 } }), 'DROP_BAD_HEADER'],
    ['header of 4 words', segment(TCP.SYN, { ip: { ...to, headerWords: 4 } }), 'DROP_BAD_HEADER'],
    ['total length 19', changed(whole, 16, 19), 'DROP_BAD_HEADER'],
    ['total length 0', changed(whole, 16, 0), 'DROP_BAD_HEADER'],
    ['a byte too few', whole.subarray(0, -1), 'DROP_TRUNCATED'],
    ['total length 65535', changed(whole, 16, 65535), 'DROP_TRUNCATED'],
    ['later fragment', changed(whole, 20, 0x2001), 'DROP_EARLY_FRAGMENT'],
    ['last fragment', changed(whole, 20, 0x1fff), 'DROP_EARLY_FRAGMENT'],
    ['SCTP', raw(132, 20), 'DROP_UNKNOWN_PROTOCOL'],
    ['IPIP', raw(4, 40), 'DROP_UNKNOWN_PROTOCOL'],
    ['TCP with 19 bytes', raw(6, 19), 'DROP_TRUNCATED'],
    ['UDP with 7 bytes', raw(17, 7), 'DROP_TRUNCATED'],
    ['UDP outside total length', changed(udp, 16, 27), 'DROP_TRUNCATED'],
    ['ICMP with 7 bytes', raw(1, 7), 'DROP_TRUNCATED'],
    ['TCP data offset 4', segment(TCP.SYN, { ip: to, dataOffset: 4 }), 'DROP_BAD_HEADER'],
    ['TCP data offset behind the end', segment(TCP.SYN, { ip: to, dataOffset: 15 }), 'DROP_BAD_HEADER'],
    [
      'IP header longer than total length',
      segment(TCP.SYN, { ip: { ...to, headerWords: 15, totalLength: 59 } }),
      'DROP_BAD_HEADER',
    ],
  ];
}

function expectPassed(scene: Scene, frame: Buffer, what: string): void {
  const result = scene.send(frame);
  expect(result, what).toMatchObject({ verdict: 'pass', events: ['EVENT_SNAT_PASSED'] });
  expect(Buffer.from(result.verdict === 'pass' ? result.frame : [])).toEqual(frame);
}

export const REFUSAL_CASES: readonly Case[] = [
  {
    name: 'malformed packets to a VIP and to a SNAT address',
    async run(scene) {
      await scene.begin(A);
      for (const destination of [VIP, POOL]) {
        for (const [what, frame, reason] of malformed(destination)) {
          expect(scene.send(frame), what).toMatchObject({ verdict: 'drop', reason });
        }
      }
    },
  },
  {
    name: 'the same to the node’s own address is the kernel’s, untouched',
    async run(scene) {
      await scene.begin(A);
      for (const [what, frame] of malformed(OWN)) expectPassed(scene, Buffer.from(frame), what);
      expectPassed(scene, segment(TCP.SYN, { ip: { destination: OWN }, destinationPort: 22 }), 'ssh');
      expectPassed(
        scene,
        segment(TCP.ACK, { ip: { destination: OWN, ttl: 1 }, destinationPort: 2005 }),
        'in range',
      );
      expectPassed(scene, echo(1, { destination: OWN }), 'ping');
    },
  },
  {
    name: 'a packet cut off at any byte is never forwarded',
    async run(scene) {
      await scene.begin(A);
      for (const whole of [segment(TCP.SYN, { options: new Uint8Array(8) }), datagram(), echo(1)]) {
        for (let length = 15; length < whole.length; length += 1) {
          if (!scene.canRun(whole.subarray(0, length))) continue;
          const { verdict } = scene.send(whole.subarray(0, length));
          expect(verdict).toBe(length < 34 ? 'pass' : 'drop');
        }
      }
    },
  },
  {
    name: 'unknown VIPs, ports and flows',
    setup: 'silent',
    async run(scene) {
      await scene.begin(A);
      scene.expectDrop(segment(TCP.SYN, { ip: { destination: UNUSED_VIP } }), 'DROP_UNKNOWN_VIP');
      scene.expectDrop(segment(TCP.SYN, { destinationPort: 81 }), 'DROP_UNKNOWN_PORT');
      scene.expectDrop(datagram(undefined, { destinationPort: 80 }), 'DROP_UNKNOWN_PORT');
      scene.expectDrop(segment(TCP.ACK), 'DROP_NO_FLOW');
      for (const destinationPort of [1999, 2020, 2005]) {
        const frame = segment(TCP.ACK, { ip: { destination: POOL }, destinationPort });
        scene.expectDrop(frame, 'DROP_SNAT_NO_FLOW');
      }
      scene.expectDrop(echo(1), 'DROP_ICMP');
    },
  },
  {
    name: 'an echo request is answered, byte by byte',
    async run(scene) {
      await scene.begin(A);
      for (const ttl of [0, 1, 64, 255]) {
        const result = scene.send(echo(0x12345678, { ttl, id: 5 }, Buffer.from('ping')));
        expect(result).toMatchObject({ verdict: 'tx', events: ['EVENT_ECHO_ANSWERED'] });
        const expected = buildFrame({
          destinationMac: ROUTER,
          sourceMac: LB,
          ip: { source: VIP, destination: CLIENT, ttl: 64, id: 5 },
          l4: { kind: 'icmp', type: 0, code: 0, rest: 0x12345678, payload: Buffer.from('ping') },
        });
        expect(Buffer.from(result.verdict === 'tx' ? result.frame : [])).toEqual(expected);
      }
    },
  },
  {
    name: 'an echo reply has right checksums whatever the request’s were',
    async run(scene) {
      await scene.begin(A);
      // A checksum of 0xf7ff + 0x0800 carries around; all near it, and a coarse sweep of the rest.
      for (let id = 0; id <= 0xffff; id += id > 0xf000 || id < 0x100 ? 7 : 251) {
        const { pair } = scene;
        const frame = echo(id * 0x10000, { id }, new Uint8Array(0));
        const { result, differences } = pair.send(frame);
        expect(differences).toEqual([]);
        const reply = parseFrame(result.verdict === 'tx' ? result.frame : expect.fail('no answer'));
        expect(reply.l4ChecksumRight && reply.ipChecksumRight, `id ${id}`).toBe(true);
      }
      // Of checksum and difference, each sum that could lose its carry.
      for (let checksum = 0xf7f0; checksum <= 0xf80f; checksum += 1) {
        const rest = (~checksum & 0xffff) - 0x0800;
        const request = echo((rest + 0x10000) & 0xffff, {}, new Uint8Array(0));
        const reply = scene.out(request);
        expect(reply.l4ChecksumRight, `checksum ${read16(request, 36)}`).toBe(true);
      }
    },
  },
  {
    name: 'other ICMP, and echo to unused VIPs and SNAT addresses',
    async run(scene) {
      await scene.begin(A);
      const icmp = (type: number, code: number, destination = VIP) =>
        buildFrame({ ip: { source: CLIENT, destination }, l4: { kind: 'icmp', type, code } });
      for (const [type, code] of [
        [0, 0],
        [8, 1],
        [13, 0],
      ] as const) {
        scene.expectDrop(icmp(type, code), 'DROP_ICMP');
      }
      scene.expectDrop(icmp(8, 0, POOL), 'DROP_ICMP');
      scene.expectDrop(icmp(3, 3, POOL), 'DROP_ICMP_NO_FLOW');
      scene.expectDrop(icmp(3, 4), 'DROP_ICMP_NO_FLOW');
      scene.expectDrop(icmp(11, 0), 'DROP_ICMP_NO_FLOW');
      scene.expectDrop(icmp(8, 0, UNUSED_VIP), 'DROP_UNKNOWN_VIP');
    },
  },
  {
    name: 'a refused segment gets a RST, byte by byte',
    async run(scene) {
      await scene.begin(A);
      const rst = (flags: number, seq: number, ack: number): Buffer =>
        buildFrame({
          destinationMac: ROUTER,
          sourceMac: LB,
          ip: { source: VIP, destination: CLIENT, ttl: 64, id: 0 },
          l4: { kind: 'tcp', sourcePort: 81, destinationPort: CLIENT_PORT, flags, seq, ack, window: 0 },
        });
      const expectRst = (frame: Buffer, expected: Buffer): void => {
        const result = scene.send(frame);
        expect(result).toMatchObject({ verdict: 'tx', events: ['EVENT_REJECTED'] });
        expect(Buffer.from(result.verdict === 'tx' ? result.frame : [])).toEqual(expected);
      };
      const to81 = (flags: number, more: object = {}) => segment(flags, { destinationPort: 81, ...more });
      const none = { payload: new Uint8Array(0) };
      expectRst(to81(TCP.SYN, none), rst(TCP.RST | TCP.ACK, 0, 1001));
      expectRst(to81(TCP.SYN), rst(TCP.RST | TCP.ACK, 0, 1006));
      expectRst(to81(TCP.SYN | TCP.FIN, { seq: 0xffffffff }), rst(TCP.RST | TCP.ACK, 0, 6));
      expectRst(to81(TCP.ACK), rst(TCP.RST, 2000, 0));
      expectRst(
        to81(TCP.ACK, { options: new Uint8Array(20), ip: { options: new Uint8Array(8) } }),
        rst(TCP.RST, 2000, 0),
      );
      scene.expectDrop(to81(TCP.RST), 'DROP_UNKNOWN_PORT');
    },
  },
  {
    name: 'a refused datagram gets a port unreachable, byte by byte',
    async run(scene) {
      await scene.begin(A);
      for (const [size, options] of [
        [0, 0],
        [1, 0],
        [100, 0],
        [7, 40],
        [1000, 4],
      ] as const) {
        const frame = datagram(
          new Uint8Array(size),
          { destinationPort: 54 },
          { options: new Uint8Array(options) },
        );
        const expected = buildFrame({
          destinationMac: ROUTER,
          sourceMac: LB,
          ip: { source: VIP, destination: CLIENT, ttl: 64, id: 0 },
          l4: { kind: 'icmp', type: 3, code: 3, payload: frame.subarray(14, 14 + 20 + options + 8) },
        });
        const result = scene.send(frame);
        expect(Buffer.from(result.verdict === 'tx' ? result.frame : [])).toEqual(expected);
      }
    },
  },
  {
    name: 'nothing is answered to impossible sources, or beyond the budget',
    async run(scene) {
      await scene.begin(A);
      for (const source of ['0.0.0.1', '127.0.0.1', '224.0.0.1', '255.255.255.255']) {
        scene.expectDrop(echo(1, { source: ip(source) }), 'DROP_ICMP');
        scene.expectDrop(
          segment(TCP.SYN, { destinationPort: 81, ip: { source: ip(source) } }),
          'DROP_UNKNOWN_PORT',
        );
      }
      for (let i = 0; i < 20; i += 1) expect(scene.send(segment(TCP.ACK)).verdict).toBe('tx');
      scene.expectDrop(segment(TCP.ACK), 'DROP_REJECT_LIMITED');
      scene.passSeconds(0.26);
      for (let i = 0; i < 5; i += 1) expect(scene.send(segment(TCP.ACK)).verdict).toBe('tx');
      scene.expectDrop(segment(TCP.ACK), 'DROP_REJECT_LIMITED');
    },
  },
];
