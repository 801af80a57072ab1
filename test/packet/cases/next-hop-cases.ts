/** Where packets leave: devices, tags, neighbours that are not there, routes that are not. */
import { expect } from 'vitest';
import { nextHop } from '../../../src/layout/generated.ts';
import { ip } from '../../model/bytes.ts';
import { TCP } from '../../model/packet.ts';
import { DEVICE } from '../network.ts';
import { answerTo, CLIENT, datagram, segment } from '../scene.ts';
import type { Case } from './case.ts';

const A = '10.2.0.1';
const fromNetwork = (third: number) => ({ source: ip('198.51.100.0') + (third - 100) * 256 + 7 });

export const NEXT_HOP_CASES: readonly Case[] = [
  {
    name: 'a backend on another device is reached by redirect',
    async run(scene) {
      await scene.begin('10.2.1.1');
      const result = scene.send(segment(TCP.SYN));
      expect(result).toMatchObject({ verdict: 'redirect', ifindex: DEVICE.far });
      expect(scene.out(segment(TCP.ACK))).toMatchObject({
        sourceMac: '02:00:00:00:00:02',
        destinationMac: '02:09:0a:02:01:01',
      });
    },
  },
  {
    name: 'an unresolved backend gets its packet through the kernel, rewritten',
    async run(scene) {
      await scene.begin('10.2.3.1');
      const frame = segment(TCP.SYN);
      const result = scene.send(frame);
      expect(result).toMatchObject({ verdict: 'pass', events: ['EVENT_TO_KERNEL'] });
      const out = scene.out(frame);
      expect(out).toMatchObject({
        destination: ip('10.2.3.1'),
        destinationMac: '02:00:00:00:00:01',
        ttl: 63,
      });
      expect(out.ipChecksumRight && out.l4ChecksumRight).toBe(true);
    },
  },
  {
    name: 'a blackhole towards the backend drops',
    async run(scene) {
      await scene.begin('10.2.4.1');
      scene.expectDrop(segment(TCP.SYN), 'DROP_NO_ROUTE');
      scene.expectDrop(datagram(), 'DROP_NO_ROUTE');
    },
  },
  {
    name: 'a device that is not an egress device is left to the kernel',
    async run(scene) {
      await scene.begin('10.2.5.1');
      expect(scene.send(segment(TCP.SYN)).events).toEqual(['EVENT_TO_KERNEL']);
    },
  },
  {
    name: 'answers find each kind of way to the client',
    async run(scene) {
      await scene.begin(A);
      for (const [network, verdict] of [
        [100, 'tx'],
        [101, 'redirect'],
        [103, 'pass'],
        [104, 'pass'],
        [105, 'pass'],
        [106, 'pass'],
        [107, 'pass'],
      ] as const) {
        const out = scene.out(segment(TCP.SYN, { ip: fromNetwork(network) }));
        expect(scene.send(answerTo(out)).verdict, `network ${network}`).toBe(verdict);
      }
    },
  },
  {
    name: 'a next hop is looked at again after a second, and answers again after a pause',
    async run(scene) {
      await scene.begin(A);
      const out = scene.out(segment(TCP.SYN));
      for (const seconds of [0.5, 1.5, 70]) {
        scene.passSeconds(seconds);
        expect(scene.send(segment(TCP.ACK)).verdict).toBe('tx');
        expect(scene.send(answerTo(out)).verdict).toBe('tx');
      }
    },
  },
  {
    name: 'a client’s next hop that another gateway took over is found anew',
    async run(scene) {
      await scene.begin(A);
      const out = scene.out(segment(TCP.SYN));
      const hop = [...scene.pair.model.nextHops].find(([, { inUse }]) => inUse);
      const { index } = scene.record.clientNextHop;
      if (hop === undefined) expect.fail('no next hop towards the client');
      expect(hop[0]).toBe(index);
      const { view, stride } = scene.pair.bed.maps.arrays.next_hops;
      const { generation } = hop[1];
      hop[1].generation = generation + 1;
      view.setUint16(index * stride + nextHop.offsets.generation, generation + 1, true);
      expect(scene.out(answerTo(out))).toMatchObject({ destination: CLIENT });
      expect(scene.record.clientNextHop.generation).toBe(generation + 1);
    },
  },
  {
    name: 'a tagged packet leaves untagged, with one tag or two',
    hooks: ['xdp'],
    async run(scene) {
      await scene.begin(A);
      for (const tags of [
        [{ tci: 0x2005 }],
        [{ ethertype: 0x88a8, tci: 0x2005 }],
        [{ ethertype: 0x88a8, tci: 7 }, { tci: 0x6005 }],
      ]) {
        const out = scene.out(segment(TCP.SYN, {}, { tags }));
        expect(out).toMatchObject({ vlans: [], destinationMac: '02:09:0a:02:00:01', ipChecksumRight: true });
      }
    },
  },
  {
    name: 'a next hop behind a VLAN device gets its tag, whatever the packet came with',
    hooks: ['xdp'],
    async run(scene) {
      await scene.begin('10.2.2.1');
      for (const tags of [[], [{ tci: 0x6005 }], [{ ethertype: 0x88a8, tci: 7 }, { tci: 0x2005 }]]) {
        const frame = scene.outFrame(segment(TCP.SYN, {}, { tags }));
        expect(Buffer.from(frame.subarray(12, 14)).toString('hex')).toBe('8100');
        expect(scene.out(segment(TCP.ACK, {}, { tags })).vlans).toEqual([100]);
      }
    },
  },
  {
    name: 'rejects and echo replies keep the tags',
    hooks: ['xdp'],
    async run(scene) {
      await scene.begin(A);
      const tags = [{ ethertype: 0x88a8, tci: 7 }, { tci: 0x2005 }];
      expect(scene.out(segment(TCP.SYN, { destinationPort: 81 }, { tags })).vlans).toEqual([7, 5]);
      const refused = { ...tags[0], tci: 9 };
      expect(scene.out(segment(TCP.ACK, {}, { tags: [refused] })).vlans).toEqual([9]);
    },
  },
];
