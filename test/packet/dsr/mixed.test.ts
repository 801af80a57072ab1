/** One VIP whose ports are services of different modes, with backends of both families in one table. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { enterNetwork } from '../network.ts';
import { type Family, type Flow, familyOf } from './addresses.ts';
import { BACKENDS, backendAddress, DsrBed, macOfBackend, mixedSlots, VIP } from './dsr-bed.ts';
import { encapsulated, frameOf, innerPacket, LB_MAC, oneHopOn } from './frames.ts';
import type { Mode } from './hand-made.ts';

beforeAll(enterNetwork);

let bed: DsrBed;
afterEach(() => bed?.close());

/** By port of the VIP, in both families and over UDP. */
const MODES: ReadonlyArray<readonly [port: number, mode: Mode]> = [
  [81, 'ipip'],
  [82, 'gue'],
  [83, 'l2'],
];
const addressOf = (n: number): string => backendAddress(n % 2 === 0 ? 4 : 6, n);

function openMixed(hook: 'xdp' | 'tc', defaultMode: Mode): void {
  const sizes = { maglev_slots: 128, backends: 128, service_drops: 1024 };
  bed = new DsrBed({ hook, mode: 'ipip', outer: 4, defaultMode, sizes });
  const backends = Array.from({ length: BACKENDS }, (_, n) => ({ address: addressOf(n), nextHop: n + 1 }));
  let index = 5;
  for (const family of [4, 6] as const) {
    for (const [port, mode] of MODES) {
      const place = { block: 8 * index, line: 8 * index, sizeClass: 1, slots: mixedSlots() };
      bed.hand.addService({ index, vip: VIP[family], port, protocol: 17, mode, backends, ...place });
      index += 1;
    }
  }
}

const flowTo = (family: Family, vipPort: number, clientPort: number): Flow => ({
  ...bed.flow(family, 'udp', clientPort),
  vipPort,
});

/** What is sent to the flow's backend, and which one that is. */
function expectSent(packet: Buffer, flow: Flow, mode: Mode): number {
  const backend = bed.backendOf(flow);
  const out = encapsulated(oneHopOn(packet), { mode, backend: addressOf(backend), hash: bed.hash(flow) });
  const expected = frameOf(out, { to: macOfBackend(backend), from: LB_MAC });
  const { action, data } = bed.run(frameOf(packet));
  expect({ action, data: data.toString('hex') }).toEqual({ action: 'tx', data: expected.toString('hex') });
  return backend;
}

describe.each(['xdp', 'tc'] as const)('%s', (hook) => {
  it.each(['ipip', 'gue', 'l2', 'snat'] as const)(
    'each port as its mode has it; first looked up: %s',
    (mode) => {
      openMixed(hook, mode);
      for (const family of [4, 6] as const) {
        for (const [port, own] of MODES) {
          const reached = new Set<number>();
          for (let clientPort = 40_000; clientPort < 40_040; clientPort += 1) {
            const flow = flowTo(family, port, clientPort);
            reached.add(expectSent(innerPacket({ flow, payload: 30 }), flow, own));
          }
          expect(new Set([...reached].map((n) => familyOf(addressOf(n))))).toEqual(new Set([4, 6]));
        }
      }
      expect(bed.counted()).toEqual({});
    },
  );

  it('fragments of one client and id go where the last first one went', () => {
    openMixed(hook, 'ipip');
    for (const [port, mode] of MODES) {
      const flow = flowTo(4, port, 40_000);
      const later = innerPacket({ flow, payload: 40, fragment: 6 });
      later.fill(0xee, 20);
      expectSent(innerPacket({ flow, payload: 40, fragment: 0x2000 }), flow, mode);
      expectSent(later, flow, mode);
    }
  });
});
