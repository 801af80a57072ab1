/** The same path for IPv6: byte by byte against the model, and the fields that a client would look at. */
import { expect } from 'vitest';
import { type Address, ip6 } from '../../model/bytes.ts';
import {
  buildFrame,
  EXTENSION,
  type Extension,
  type FrameFields,
  type IpFields,
  TCP,
} from '../../model/packet.ts';
import { type ParsedFrame, parseFrame } from '../../model/parse.ts';
import { mirror, mirrorText } from '../network.ts';
import { CLIENT, CLIENT_PORT, type Scene } from '../scene.ts';
import { at, service, VIP } from '../situation.ts';
import type { Case } from './case.ts';

const VIP6 = mirror(VIP);
const CLIENT6 = mirror(CLIENT);
const BACKEND6 = mirrorText('10.2.0.1');
const ROUTER6 = ip6('fd00:ff::9');

async function begin(scene: Scene): Promise<void> {
  scene.pair.reset();
  await scene.apply([
    service(VIP6, 80, 'TCP', [at(BACKEND6, 8080)]),
    service(VIP6, 53, 'UDP', [at(BACKEND6, 5353)]),
  ]);
}

function segment6(flags: number, ip: Partial<IpFields> = {}, destinationPort = 80): Buffer {
  return buildFrame({
    ip: { source: CLIENT6, destination: VIP6, tos: 0x28, flowLabel: 0x12345, ...ip },
    l4: { kind: 'tcp', sourcePort: CLIENT_PORT, destinationPort, flags, payload: Buffer.from('hello') },
  });
}

function datagram6(ip: Partial<IpFields> = {}, destinationPort = 53): Buffer {
  return buildFrame({
    ip: { source: CLIENT6, destination: VIP6, ...ip },
    l4: { kind: 'udp', sourcePort: CLIENT_PORT, destinationPort, payload: Buffer.from('query') },
  });
}

function answerTo6({ source, sourcePort, destination, destinationPort, protocol }: ParsedFrame): Buffer {
  const ports = { sourcePort: destinationPort, destinationPort: sourcePort };
  const l4: FrameFields['l4'] =
    protocol === 6 ? { kind: 'tcp', ...ports, flags: TCP.ACK } : { kind: 'udp', ...ports };
  return buildFrame({ ip: { source: destination, destination: source }, l4 });
}

/** Quotes the IP header, with a fragment header if there is one, and 8 bytes. */
function errorAbout6(frame: Uint8Array, type: number, rest: number, source: Address = ROUTER6): Buffer {
  const quoted = frame[14 + 6] === EXTENSION.fragment ? 56 : 48;
  return buildFrame({
    ip: { source, destination: parseFrame(frame).source },
    l4: { kind: 'icmp', type, code: 0, rest, payload: frame.subarray(14, 14 + quoted) },
  });
}

/** A piece of a client's datagram, from `offset` * 8 on; `before`: headers in front of the fragment's. */
function piece(
  offset: number,
  more: boolean,
  payload: Uint8Array,
  { id = 9, before = [] }: { id?: number; before?: Extension[] } = {},
): Buffer {
  const bytes = Uint8Array.of(0, 0, 0, offset * 8 + Number(more), 0, 0, 0, id);
  const extensions = [...before, { kind: EXTENSION.fragment, bytes }];
  return buildFrame({
    ip: { source: CLIENT6, destination: VIP6, extensions },
    l4: { kind: 'raw', protocol: 17, payload },
  });
}

const header = (kind: number, words = 0, third = 0) => {
  const bytes = new Uint8Array(8 * (words + 1));
  bytes[1] = words;
  bytes[3] = third;
  return { kind, bytes };
};

export const IPV6_CASES: readonly Case[] = [
  {
    name: 'TCP and UDP there and back over IPv6',
    async run(scene) {
      await begin(scene);
      for (const [frame, port, target] of [
        [segment6(TCP.SYN), 80, 8080],
        [datagram6(), 53, 5353],
      ] as const) {
        const out = scene.out(frame);
        expect(out).toMatchObject({
          destination: ip6(BACKEND6),
          destinationPort: target,
          ttl: 63,
          l4ChecksumRight: true,
        });
        expect(scene.out(answerTo6(out))).toMatchObject({
          source: VIP6,
          sourcePort: port,
          destination: CLIENT6,
          destinationPort: CLIENT_PORT,
          l4ChecksumRight: true,
        });
      }
    },
  },
  {
    name: 'extension headers stay; too many, too long ones and routing headers end it',
    async run(scene) {
      await begin(scene);
      const options = [
        header(EXTENSION.hopByHop),
        header(EXTENSION.routing),
        header(EXTENSION.destination, 2),
      ];
      const out = scene.out(segment6(TCP.SYN, { extensions: options }));
      expect(out).toMatchObject({ destinationPort: 8080, l4ChecksumRight: true });
      const six = new Array(6).fill(header(EXTENSION.destination));
      scene.outFrame(segment6(TCP.SYN, { extensions: six }));
      for (const extensions of [
        [...six, header(EXTENSION.destination)],
        [header(EXTENSION.destination, 31), header(EXTENSION.destination)],
        [header(EXTENSION.routing, 0, 1)],
      ]) {
        const isLong = extensions.length === 2;
        if (isLong) scene.outFrame(segment6(TCP.SYN, { extensions: extensions.slice(0, 1) }));
        scene.expectDrop(segment6(TCP.SYN, { extensions }), 'DROP_EXTENSION_HEADER');
      }
    },
  },
  {
    name: 'echo, refusals and time-exceeded over IPv6',
    async run(scene) {
      await begin(scene);
      const echo = buildFrame({
        ip: { source: CLIENT6, destination: VIP6 },
        l4: { kind: 'icmp', type: 128, code: 0, rest: 7, payload: Buffer.from('ping') },
      });
      for (const [frame, protocol, first] of [
        [echo, 58, 129],
        [segment6(TCP.SYN, {}, 81), 6, undefined],
        [datagram6({}, 54), 58, 1],
        [segment6(TCP.SYN, { ttl: 1 }), 58, 3],
      ] as const) {
        const answer = scene.out(frame);
        expect(answer).toMatchObject({ source: VIP6, destination: CLIENT6, protocol, l4ChecksumRight: true });
        if (first !== undefined) expect(answer.l4[0]).toBe(first);
      }
    },
  },
  {
    name: 'nothing is answered to IPv6 sources that nobody has',
    async run(scene) {
      await begin(scene);
      for (const source of [0n, 1n, ip6('ff02::1')]) {
        const result = scene.send(segment6(TCP.SYN, { source }, 81));
        expect(result).toMatchObject({ verdict: 'drop', reason: 'DROP_UNKNOWN_PORT', events: [] });
        const echo = buildFrame({
          ip: { source, destination: VIP6 },
          l4: { kind: 'icmp', type: 128, code: 0, rest: 7 },
        });
        scene.expectDrop(echo, 'DROP_ICMP');
      }
    },
  },
  {
    name: 'packet-too-big reaches the backend and the client over IPv6',
    async run(scene) {
      await begin(scene);
      const forwarded = scene.outFrame(segment6(TCP.SYN));
      const answered = scene.outFrame(answerTo6(parseFrame(forwarded)));
      expect(scene.out(errorAbout6(answered, 2, 1280))).toMatchObject({
        source: ROUTER6,
        destination: ip6(BACKEND6),
        l4ChecksumRight: true,
      });
      expect(scene.out(errorAbout6(forwarded, 1, 0, ip6(BACKEND6)))).toMatchObject({
        source: VIP6,
        destination: CLIENT6,
        l4ChecksumRight: true,
      });
      scene.expectDrop(errorAbout6(answered, 2, 1279), 'DROP_ICMP');
    },
  },
  {
    name: 'packet-too-big about the first fragment of an answer reaches the backend over IPv6',
    async run(scene) {
      await begin(scene);
      const answer = scene.outFrame(answerTo6(parseFrame(scene.outFrame(datagram6()))));
      const { source, destination, l4 } = parseFrame(answer);
      const piece = (offset: number): Buffer => {
        const bytes = Uint8Array.of(0, 0, offset >> 8, (offset & 255) | 1, 0, 0, 0, 9);
        return buildFrame({
          ip: { source, destination, extensions: [{ kind: EXTENSION.fragment, bytes }] },
          l4: { kind: 'raw', protocol: 17, payload: l4 },
        });
      };
      expect(scene.out(errorAbout6(piece(0), 2, 1300))).toMatchObject({
        source: ROUTER6,
        destination: ip6(BACKEND6),
        l4ChecksumRight: true,
      });
      scene.expectDrop(errorAbout6(piece(1232), 2, 1300), 'DROP_ICMP_NO_FLOW');
    },
  },
  {
    name: 'fragments of an IPv6 datagram follow the first',
    async run(scene) {
      await begin(scene);
      const { l4 } = parseFrame(datagram6());
      const rest = piece(1, false, l4.subarray(8));
      scene.expectDrop(rest, 'DROP_EARLY_FRAGMENT');
      scene.outFrame(piece(0, true, l4.subarray(0, 8)));
      expect(scene.out(rest)).toMatchObject({ destination: ip6(BACKEND6), protocol: 17 });
      // Of another id, and of the same behind other headers.
      scene.expectDrop(piece(1, false, l4.subarray(8), { id: 10 }), 'DROP_EARLY_FRAGMENT');
      const before = [header(EXTENSION.hopByHop), header(EXTENSION.destination, 1)];
      scene.outFrame(piece(1, false, l4.subarray(8), { before }));
      // A fragment header of a packet that is none.
      expect(scene.out(piece(0, false, l4))).toMatchObject({ destinationPort: 5353, l4ChecksumRight: true });
    },
  },
];
