/** DSR in the real programs: every byte that comes out, for each mode, family, lookup order and hook. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { backendState, nextHopState, serviceFlag } from '../../../src/layout/generated.ts';
import { enterNetwork } from '../network.ts';
import { addressWords } from './addresses.ts';
import { BACKENDS, backendAddress, DsrBed, type DsrOptions, macOfBackend } from './dsr-bed.ts';
import { encapsulated, frameOf, innerPacket, LB_MAC, oneHopOn, ROUTER_MAC, TCP_FLAGS } from './frames.ts';

beforeAll(enterNetwork);

let bed: DsrBed;
afterEach(() => bed?.close());
const open = (options: DsrOptions): DsrBed => {
  bed = new DsrBed(options);
  return bed;
};

const PORTS = Array.from({ length: 40 }, (_, n) => 40_000 + 7 * n);
const { syn, ack, fin } = TCP_FLAGS;
/** In the network beside the clients'. */
const OUTSIDE = { 4: '198.51.101.7', 6: '2001:db8:7:1::9' } as const;

/** On the link, where nobody has the address; the FIB is asked again with the next packet. */
const withoutNeighbour = () => ({
  state: nextHopState.NEXT_HOP_UNRESOLVED,
  addr: addressWords('10.9.0.77'),
  family: 4,
  refreshed: (bed.hand.now() - 2) >>> 0,
});

for (const hook of ['xdp', 'tc'] as const) {
  for (const order of ['service first', 'flow first'] as const) {
    describe(`${hook}, ${order}`, () => {
      const other = order === 'flow first' ? ({ defaultMode: 'snat' } as const) : {};

      it.each([
        ['ipip', 4],
        ['ipip', 6],
        ['gue', 4],
        ['gue', 6],
        ['l2', 4],
      ] as const)('%s to IPv%d backends: every byte, and to whom', (mode, outer) => {
        open({ hook, mode, outer, ...other });
        for (const family of [4, 6] as const) {
          for (const clientPort of PORTS) {
            const flow = bed.flow(family, 'tcp', clientPort);
            for (const flags of [syn, ack, ack | fin]) {
              bed.expectForwarded(innerPacket({ flow, flags, tos: 0xb9 }), flow);
            }
          }
          const query = bed.flow(family, 'udp');
          bed.expectForwarded(innerPacket({ flow: query, payload: 30 }), query);
        }
        expect(bed.counted()).toEqual({});
        const reached = new Set(PORTS.map((port) => bed.backendOf(bed.flow(4, 'tcp', port))));
        expect(reached.size).toBe(BACKENDS);
      });

      it('counts packets, bytes and SYNs for the backend', () => {
        open({ hook, mode: 'ipip', outer: 4, ...other });
        const flow = bed.flow(4);
        const packet = innerPacket({ flow, flags: syn });
        bed.expectForwarded(packet, flow);
        bed.expectForwarded(innerPacket({ flow }), flow);
        expect(bed.traffic(bed.serviceOf(flow), bed.backendOf(flow))).toEqual({
          packets: 2,
          bytes: 2 * packet.length,
          flows: 1,
        });
      });

      it.each([
        ['the client alone', serviceFlag.SERVICE_F_AFFINITY, { affinity: true }],
        ['without ports', serviceFlag.SERVICE_F_HASH3, { hash3: true }],
      ] as const)('hashes %s', (_, flags, by) => {
        open({ hook, mode: 'ipip', outer: 4, flags, ...other });
        for (const family of [4, 6] as const) {
          for (const clientPort of PORTS.slice(0, 5)) {
            const flow = bed.flow(family, 'tcp', clientPort);
            bed.expectForwarded(innerPacket({ flow }), flow, by);
          }
        }
      });

      it('serves only clients in the source ranges', () => {
        open({ hook, mode: 'ipip', outer: 4, flags: serviceFlag.SERVICE_F_SOURCES, ...other });
        for (const family of [4, 6] as const) {
          const inside = bed.flow(family);
          bed.addSourceRange(bed.serviceOf(inside), inside.client, family === 4 ? 24 : 64);
          for (const flags of [syn, ack]) bed.expectForwarded(innerPacket({ flow: inside, flags }), inside);
          expect(bed.counted()).toEqual({});
          const outside = { ...inside, client: OUTSIDE[family] };
          // A range is of one service: this one has none.
          const elsewhere = bed.flow(family, 'udp');
          for (const packet of [
            innerPacket({ flow: outside, flags: syn }),
            innerPacket({ flow: outside }),
            innerPacket({ flow: elsewhere }),
          ]) {
            expect(bed.run(frameOf(packet)).action).toBe('drop');
            expect(bed.counted()).toEqual({ DROP_SOURCE_RANGE: 1 });
          }
        }
      });

      it('takes IP options and extension headers along', () => {
        open({ hook, mode: 'ipip', outer: 4, ...other });
        const flow = bed.flow(4);
        bed.expectForwarded(innerPacket({ flow, extra: Buffer.from([7, 7, 4, 0, 0, 0, 0, 0]) }), flow);
        const six = bed.flow(6);
        const options = Buffer.from([6, 0, 1, 4, 0, 0, 0, 0]);
        bed.expectForwarded(innerPacket({ flow: six, extra: options, nextHeader: 60 }), six);
      });

      // On tc the kernel has taken the tag off, and test runs have none.
      if (hook === 'xdp') {
        it('takes tags off, or puts on the one that the next hop wants', () => {
          open({ hook, mode: 'gue', outer: 4, ...other });
          const flow = bed.flow(4);
          const packet = innerPacket({ flow });
          const backend = bed.backendOf(flow);
          const out = encapsulated(oneHopOn(packet), {
            mode: 'gue',
            backend: backendAddress(4, backend),
            hash: bed.hash(flow),
          });
          for (const tags of [[100], [100, 200]]) {
            const { action, data } = bed.run(frameOf(packet, { tags }));
            const expected = frameOf(out, { to: macOfBackend(backend), from: LB_MAC });
            expect({ action, data: data.toString('hex') }).toEqual({
              action: 'tx',
              data: expected.toString('hex'),
            });
          }
          bed.hand.setNextHop(backend + 1, { vlan: 77 });
          const { data } = bed.run(frameOf(packet));
          const tagged = frameOf(out, { to: macOfBackend(backend), from: LB_MAC, tags: [77] });
          expect(data.toString('hex')).toBe(tagged.toString('hex'));
        });
      }

      it('leaves an unresolved next hop to the kernel, encapsulated', () => {
        open({ hook, mode: 'ipip', outer: 4, ...other });
        const flow = bed.flow(6);
        const packet = innerPacket({ flow });
        bed.setHopState('NEXT_HOP_UNRESOLVED');
        bed.hand.setNextHop(bed.backendOf(flow) + 1, withoutNeighbour());
        const { action, data } = bed.run(frameOf(packet));
        const out = encapsulated(oneHopOn(packet), {
          mode: 'ipip',
          backend: backendAddress(4, bed.backendOf(flow)),
          hash: bed.hash(flow),
        });
        const expected = frameOf(out, { to: LB_MAC, from: ROUTER_MAC });
        expect({ action, data: data.toString('hex') }).toEqual({
          action: 'pass',
          data: expected.toString('hex'),
        });
        expect(bed.counted()).toEqual({ EVENT_TO_KERNEL: 1 });
      });

      it('drops what has no way: a blackhole, and on the link no neighbour', () => {
        open({ hook, mode: 'ipip', outer: 4, ...other });
        bed.setHopState('NEXT_HOP_BLACKHOLE');
        expect(bed.run(frameOf(innerPacket({ flow: bed.flow(4) }))).action).toBe('drop');
        expect(bed.counted()).toEqual({ DROP_NO_ROUTE: 1 });
        bed.close();
        open({ hook, mode: 'l2', outer: 4, ...other });
        for (let n = 1; n <= BACKENDS; n += 1) {
          bed.hand.setNextHop(n, withoutNeighbour());
        }
        expect(bed.run(frameOf(innerPacket({ flow: bed.flow(4) }))).action).toBe('drop');
        expect(bed.counted()).toEqual({ DROP_NO_ROUTE: 1 });
      });

      it('sends nothing by MAC address to a gateway, which would bring it back', () => {
        open({ hook, mode: 'l2', outer: 4, ...other });
        for (let n = 1; n <= BACKENDS; n += 1) bed.hand.setNextHop(n, { routed: 1 });
        expect(bed.run(frameOf(innerPacket({ flow: bed.flow(4) }))).action).toBe('drop');
        expect(bed.counted()).toEqual({ DROP_OFF_SEGMENT: 1 });
        bed.close();
        open({ hook, mode: 'ipip', outer: 4, ...other });
        for (let n = 1; n <= BACKENDS; n += 1) bed.hand.setNextHop(n, { routed: 1 });
        bed.expectForwarded(innerPacket({ flow: bed.flow(4) }), bed.flow(4));
      });

      it('keeps flows of a draining backend and gives it no connection', () => {
        const backends = Array.from({ length: BACKENDS }, (_, n) => ({
          address: backendAddress(4, n),
          nextHop: n + 1,
          state: backendState.BACKEND_DRAINING,
        }));
        open({ hook, mode: 'ipip', outer: 4, backends, ...other });
        const flow = bed.flow(4);
        bed.expectForwarded(innerPacket({ flow }), flow);
        expect(bed.run(frameOf(innerPacket({ flow, flags: syn }))).action).toBe('drop');
        expect(bed.counted()).toEqual({ DROP_NO_BACKEND: 1 });
      });

      it('says so where a slot names nobody, a TTL ends or a port is unknown', () => {
        const backends = [{ address: '10.2.0.1', nextHop: 1, state: backendState.BACKEND_FREE }];
        open({ hook, mode: 'ipip', outer: 4, backends, slots: new Array(251).fill(0), ...other });
        const flow = bed.flow(4);
        bed.run(frameOf(innerPacket({ flow })));
        expect(bed.counted()).toEqual({ DROP_INTERNAL: 1 });
        bed.run(frameOf(innerPacket({ flow, ttl: 1 })));
        expect(bed.counted()).toEqual({ DROP_TTL: 1 });
        bed.run(frameOf(innerPacket({ flow: { ...flow, vipPort: 81 } })));
        expect(bed.counted()).toEqual({ DROP_UNKNOWN_VIP: 1 });
      });

      it('sends fragments after the first one', () => {
        open({ hook, mode: 'ipip', outer: 4, ...other });
        const flow = bed.flow(4, 'udp');
        const first = innerPacket({ flow, payload: 40, fragment: 0x2000 });
        const later = innerPacket({ flow, payload: 40, fragment: 6 });
        later.fill(0xee, 20);
        expect(bed.run(frameOf(later)).action).toBe('drop');
        expect(bed.counted()).toEqual({ DROP_EARLY_FRAGMENT: 1 });
        bed.expectForwarded(first, flow);
        bed.expectForwarded(later, flow);
        expect(bed.counted()).toEqual({ EVENT_FRAGMENT_FOLLOWED: 1 });
      });
    });
  }
}
