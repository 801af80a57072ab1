/** Packets of SNAT flows that do not fit their way on, to the backend or to the client. */
import { expect } from 'vitest';
import { type Address, ip, read32 } from '../../model/bytes.ts';
import { buildFrame, EXTENSION, type FrameFields, type IpFields, TCP } from '../../model/packet.ts';
import { parseFrame } from '../../model/parse.ts';
import { mirror, mirrorText } from '../network.ts';
import { CLIENT, CLIENT_PORT, type Scene } from '../scene.ts';
import { at, OWN, service, VIP } from '../situation.ts';
import type { Case } from './case.ts';

/** Bytes of packet that the device `far` takes; others here take 1500. */
const FAR_MTU = 1340;
const NEAR_BACKEND = '10.2.0.1';
const FAR_BACKEND = '10.2.1.1';
const FAR_CLIENT = ip('198.51.101.7');
const DONT = 0x4000;
const MORE = 0x2000;

interface Ends {
  readonly from: Address;
  readonly to: Address;
  readonly ports: readonly [source: number, destination: number];
}

/** A packet of this many bytes. */
function packetOf(
  size: number,
  { from, to, ports: [sourcePort, destinationPort] }: Ends,
  { udp = false, flags = TCP.ACK, ...more }: Partial<IpFields> & { udp?: boolean; flags?: number } = {},
): Buffer {
  const l3 = typeof from === 'bigint' ? 40 : 20;
  const ports = { sourcePort, destinationPort };
  const payload = Buffer.alloc(size - l3 - (udp ? 8 : 20), 'l4lb');
  const l4: FrameFields['l4'] = udp
    ? { kind: 'udp', ...ports, payload }
    : { kind: 'tcp', ...ports, flags, payload };
  return buildFrame({ ip: { source: from, destination: to, fragment: DONT, ...more }, l4 });
}

const BOTH = [4, 6] as const;
type Family = (typeof BOTH)[number];
const of = (family: Family, v4: number): Address => (family === 4 ? v4 : mirror(v4));
const textOf = (family: Family, v4: string): string => (family === 4 ? v4 : mirrorText(v4));

async function begin(scene: Scene, family: Family, backend: string): Promise<void> {
  scene.pair.reset();
  const vip = of(family, VIP);
  await scene.apply([
    service(vip, 80, 'TCP', [at(textOf(family, backend), 8080)]),
    service(vip, 53, 'UDP', [at(textOf(family, backend), 5353)]),
  ]);
}

const toVip = (family: Family, client = CLIENT, port = 80): Ends => ({
  from: of(family, client),
  to: of(family, VIP),
  ports: [CLIENT_PORT, port],
});

/** Opens a flow; the ends of its answers. */
function open(scene: Scene, ends: Ends): Ends {
  const out = scene.out(packetOf(100, ends, { flags: TCP.SYN }));
  scene.out(packetOf(100, ends));
  return { from: out.destination, to: out.source, ports: [out.destinationPort, out.sourcePort] };
}

/** Answered to whom it came from, out of the device it came in by, with the MTU and a quote of itself. */
function expectAnswer(scene: Scene, frame: Buffer, mtu: number): void {
  const sent = parseFrame(frame);
  const result = scene.send(frame);
  expect(result).toMatchObject({ verdict: 'tx', events: ['EVENT_TOO_BIG_ANSWERED'], reason: 'DROP_TOO_BIG' });
  if (result.verdict !== 'tx') return;
  const { source, destination, protocol, l4, ipChecksumRight, l4ChecksumRight } = parseFrame(result.frame);
  expect({ source, destination, ipChecksumRight, l4ChecksumRight }).toEqual({
    source: sent.destination,
    destination: sent.source,
    ipChecksumRight: true,
    l4ChecksumRight: true,
  });
  expect([protocol, l4[0], l4[1]]).toEqual(typeof source === 'bigint' ? [58, 2, 0] : [1, 3, 4]);
  expect(read32(l4, 4)).toBe(mtu);
  expect(Buffer.from(l4.subarray(8)).equals(frame.subarray(14, 14 + l4.length - 8))).toBe(true);
}

const counters = (scene: Scene) => {
  const [traffic] = [...scene.pair.model.counters.backends.values()];
  return traffic === undefined ? undefined : [traffic.packetsIn, traffic.packetsOut];
};

export const TOO_BIG_CASES: readonly Case[] = [
  ...BOTH.map(
    (family): Case => ({
      name: `IPv${family}: a client hears what fits the way to the backend, from the VIP`,
      async run(scene) {
        await begin(scene, family, FAR_BACKEND);
        const ends = toVip(family);
        open(scene, ends);
        expect(scene.send(packetOf(FAR_MTU, ends)).verdict).toBe('redirect');
        const before = counters(scene);
        expectAnswer(scene, packetOf(FAR_MTU + 1, ends), FAR_MTU);
        expectAnswer(scene, packetOf(FAR_MTU + 1, ends, { flags: TCP.ACK | TCP.FIN }), FAR_MTU);
        expect(counters(scene)).toEqual(before);
        const datagrams = toVip(family, CLIENT, 53);
        expectAnswer(scene, packetOf(FAR_MTU + 1, datagrams, { udp: true }), FAR_MTU);
      },
    }),
  ),
  ...BOTH.map(
    (family): Case => ({
      name: `IPv${family}: a backend hears what fits the way to the client, from the SNAT address`,
      async run(scene) {
        await begin(scene, family, NEAR_BACKEND);
        const back = open(scene, toVip(family, FAR_CLIENT));
        expect(scene.send(packetOf(FAR_MTU, back)).verdict).toBe('redirect');
        const before = counters(scene);
        expectAnswer(scene, packetOf(FAR_MTU + 1, back), FAR_MTU);
        scene.passSeconds(2);
        expectAnswer(scene, packetOf(1500, back), FAR_MTU);
        expect(counters(scene)).toEqual(before);
      },
    }),
  ),
  {
    name: 'a flood of refused packets keeps nobody from hearing what fits, or that a time is over',
    async run(scene) {
      await begin(scene, 4, FAR_BACKEND);
      const ends = toVip(4);
      open(scene, ends);
      const unknown = packetOf(100, { ...ends, ports: [CLIENT_PORT + 1, 80] });
      for (let i = 0; i < 20; i += 1) expect(scene.send(unknown).verdict).toBe('tx');
      scene.expectDrop(unknown, 'DROP_REJECT_LIMITED');
      const late = scene.send(packetOf(100, ends, { ttl: 1 }));
      expect(late).toMatchObject({ verdict: 'tx', events: ['EVENT_TTL_ANSWERED'] });
      for (let i = 0; i < 20; i += 1) expectAnswer(scene, packetOf(FAR_MTU + 1, ends), FAR_MTU);
      scene.expectDrop(packetOf(FAR_MTU + 1, ends), 'DROP_TOO_BIG');
    },
  },
  {
    name: 'what may be fragmented is left to the kernel, translated, in both directions',
    async run(scene) {
      await begin(scene, 4, FAR_BACKEND);
      const ends = toVip(4);
      open(scene, ends);
      const there = packetOf(FAR_MTU + 1, ends, { fragment: 0 });
      expect(scene.send(there)).toMatchObject({ verdict: 'pass', events: ['EVENT_TO_KERNEL'] });
      expect(scene.out(there)).toMatchObject({ destination: ip(FAR_BACKEND), l4ChecksumRight: true });
      await begin(scene, 4, NEAR_BACKEND);
      const back = packetOf(FAR_MTU + 1, open(scene, toVip(4, FAR_CLIENT)), { fragment: 0 });
      expect(scene.send(back)).toMatchObject({ verdict: 'pass', events: ['EVENT_TO_KERNEL'] });
      expect(scene.out(back)).toMatchObject({ source: VIP, destination: FAR_CLIENT, l4ChecksumRight: true });
    },
  },
  {
    name: 'fragments that do not fit: of IPv4 the kernel makes more of them, of IPv6 the first is answered',
    async run(scene) {
      await begin(scene, 4, FAR_BACKEND);
      const whole = packetOf(1500, toVip(4, CLIENT, 53), { udp: true });
      const piece = (fragment: number): Buffer => {
        const frame = Buffer.from(whole);
        frame.writeUInt16BE(fragment, 20);
        return frame;
      };
      expect(scene.send(piece(MORE)).verdict).toBe('pass');
      expect(scene.send(piece(MORE | 185)).verdict).toBe('pass');

      await begin(scene, 6, FAR_BACKEND);
      const header = (offset: number) => {
        const bytes = new Uint8Array(8);
        bytes[2] = offset >> 5;
        bytes[3] = ((offset << 3) & 0xff) | 1;
        bytes[7] = 9;
        return { extensions: [{ kind: EXTENSION.fragment, bytes }], udp: true };
      };
      const ends = toVip(6, CLIENT, 53);
      expectAnswer(scene, packetOf(FAR_MTU + 1, ends, header(0)), FAR_MTU);
      scene.expectDrop(packetOf(FAR_MTU + 1, ends, header(181)), 'DROP_TOO_BIG');
    },
  },
  {
    name: 'a known flow’s answer that is too big is not the kernel’s, though it came to the node’s own address',
    setup: 'tight',
    async run(scene) {
      await begin(scene, 4, NEAR_BACKEND);
      for (let client = 1; client < 4; client += 1) {
        const back = open(scene, toVip(4, FAR_CLIENT + client));
        if (back.to !== OWN) continue;
        expectAnswer(scene, packetOf(1500, back), FAR_MTU);
        // Nobody is told about the later one of two fragments.
        expectAnswer(scene, packetOf(1500, back, { fragment: DONT | MORE }), FAR_MTU);
        scene.expectDrop(packetOf(1500, back, { fragment: DONT | 185 }), 'DROP_TOO_BIG');
        return;
      }
      expect.fail('no flow got the node’s own address');
    },
  },
  {
    name: 'nobody hears more of it than the budget allows, and the rest is counted',
    async run(scene) {
      await begin(scene, 4, FAR_BACKEND);
      const ends = toVip(4);
      open(scene, ends);
      const verdicts = Array.from({ length: 40 }, () => scene.send(packetOf(1400, ends)).verdict);
      expect(verdicts).toContain('tx');
      expect(verdicts.at(-1)).toBe('drop');
    },
  },
];
