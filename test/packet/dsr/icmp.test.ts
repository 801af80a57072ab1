/** ICMP errors about answers of services in a DSR mode: they follow their flow to its backend. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { backendState, serviceFlag, service as serviceLayout } from '../../../src/layout/generated.ts';
import { checksumOf, onesSum } from '../../model/bytes.ts';
import { enterNetwork } from '../network.ts';
import { addressBytes, type Flow, familyOf, type HashedBy } from './addresses.ts';
import { BACKENDS, backendAddress, DsrBed, type DsrOptions, macOfBackend, mixedSlots } from './dsr-bed.ts';
import { encapsulated, frameOf, innerPacket, LB_MAC, oneHopOn } from './frames.ts';
import { tableWord } from './hand-made.ts';

beforeAll(enterNetwork);

let bed: DsrBed;
afterEach(() => bed?.close());
const open = (options: DsrOptions): DsrBed => {
  bed = new DsrBed(options);
  return bed;
};

const ROUTER = { 4: '203.0.113.1', 6: '2001:db8:ff::1' } as const;

/** From a router on the way to the client: it could not forward the VIP's answer, of which it quotes 8 bytes. */
function errorAbout(flow: Flow, ttl = 64): Buffer {
  const family = familyOf(flow.vip);
  const { client, vip, clientPort, vipPort, protocol } = flow;
  const back = { client: vip, vip: client, clientPort: vipPort, vipPort: clientPort, protocol };
  const answer = innerPacket({ flow: back, payload: 1400 });
  const icmp = Buffer.alloc(8);
  icmp.writeUInt8(family === 4 ? 3 : 2, 0);
  icmp.writeUInt8(family === 4 ? 4 : 0, 1);
  icmp.writeUInt32BE(1400, 4);
  const body = Buffer.concat([icmp, answer.subarray(0, family === 4 ? 28 : 48)]);
  if (family === 4) {
    const ip = Buffer.alloc(20);
    ip.writeUInt8(0x45, 0);
    ip.writeUInt8(0xc0, 1);
    ip.writeUInt16BE(20 + body.length, 2);
    ip.writeUInt8(ttl, 8);
    ip.writeUInt8(1, 9);
    addressBytes(ROUTER[4]).copy(ip, 12);
    addressBytes(vip).copy(ip, 16);
    ip.writeUInt16BE(checksumOf(ip, 0, 20), 10);
    body.writeUInt16BE(checksumOf(body, 0, body.length), 2);
    return Buffer.concat([ip, body]);
  }
  const ip = Buffer.alloc(40);
  ip.writeUInt8(0x60, 0);
  ip.writeUInt16BE(body.length, 4);
  ip.writeUInt8(58, 6);
  ip.writeUInt8(ttl, 7);
  addressBytes(ROUTER[6]).copy(ip, 8);
  addressBytes(vip).copy(ip, 24);
  const pseudo = Buffer.concat([ip.subarray(8, 40), Buffer.from([0, 58, 0, body.length])]);
  body.writeUInt16BE(checksumOf(body, 0, body.length, onesSum(pseudo, 0, pseudo.length)), 2);
  return Buffer.concat([ip, body]);
}

/** With the table of oldest owners in line 48. */
function openWindow(service: number): void {
  const { view, at } = bed.hand.at('services', service);
  serviceLayout.write(view, at, {
    ...serviceLayout.read(view, at),
    oldest: tableWord(48, 1, 8 * service),
    windowStart: bed.hand.now(),
    windowTcp: 900_000_000,
    windowUdp: 900_000_000,
  });
}

function expectAtBackend(packet: Buffer, flow: Flow, backend: number, by: HashedBy = {}): void {
  const { mode, outer } = bed.options;
  const to = backendAddress(outer, backend);
  const out = encapsulated(oneHopOn(packet), { mode, backend: to, hash: bed.hash(flow, by) });
  const expected = frameOf(out, { to: macOfBackend(backend), from: LB_MAC });
  const { action, data } = bed.run(frameOf(packet));
  expect({ action, data: data.toString('hex') }).toEqual({ action: 'tx', data: expected.toString('hex') });
  expect(bed.counted()).toEqual({ EVENT_ICMP_FORWARDED: 1 });
}

for (const hook of ['xdp', 'tc'] as const) {
  for (const defaultMode of ['ipip', 'snat'] as const) {
    describe(`${hook}, default mode ${defaultMode}`, () => {
      it.each([4, 6] as const)('goes to the flow’s backend, uncounted as traffic (IPv%d)', (family) => {
        open({ hook, mode: 'gue', outer: 4, defaultMode });
        for (const protocol of ['tcp', 'udp'] as const) {
          for (let clientPort = 40_000; clientPort < 40_010; clientPort += 1) {
            const flow = bed.flow(family, protocol, clientPort);
            expectAtBackend(errorAbout(flow), flow, bed.backendOf(flow));
          }
        }
        const flow = bed.flow(family);
        expect(bed.traffic(bed.serviceOf(flow), bed.backendOf(flow)).packets).toBe(0);
      });

      it('goes after the client, where its datagrams go', () => {
        const by = { affinity: true };
        // Whoever owned the slots drains: a new client is the new owner's, and is remembered.
        const backends = Array.from({ length: BACKENDS }, (_, n) => ({
          address: backendAddress(4, n),
          nextHop: n + 1,
          state: n === 0 ? backendState.BACKEND_DRAINING : backendState.BACKEND_ACTIVE,
        }));
        const slots = mixedSlots().map((slot) => (slot === 0 ? 1 : slot) | 0x8000);
        const flags = serviceFlag.SERVICE_F_AFFINITY;
        open({ hook, mode: 'ipip', outer: 4, defaultMode, slots, backends, flags });
        bed.hand.setSlots(48, new Array(slots.length).fill(0));
        for (const family of [4, 6] as const) {
          const known = bed.flow(family, 'udp', 40_000);
          const other = bed.flow(family, 'udp', 40_001);
          openWindow(bed.serviceOf(known));
          expectAtBackend(errorAbout(other), other, 0, by);
          bed.run(frameOf(innerPacket({ flow: known })));
          expect(bed.counted()).toEqual({ EVENT_REMEMBERED: 1 });
          bed.expectForwarded(innerPacket({ flow: other }), other, by);
          expect(bed.counted()).toEqual({});
          for (const flow of [known, other]) {
            expectAtBackend(errorAbout(flow), flow, bed.backendOf(flow, by), by);
          }
        }
      });

      it('goes to the oldest owner of a tracked slot, and to whom the flow is remembered with', () => {
        const slots = mixedSlots().map((slot) => slot | 0x8000);
        open({ hook, mode: 'ipip', outer: 4, defaultMode, slots });
        const oldest = slots.map((slot) => ((slot & 0x7fff) + 1) % BACKENDS);
        bed.hand.setSlots(48, oldest);
        const flow = bed.flow(4);
        openWindow(bed.serviceOf(flow));
        expectAtBackend(errorAbout(flow), flow, (bed.backendOf(flow) + 1) % BACKENDS);
        bed.run(frameOf(innerPacket({ flow, flags: 2 })));
        expect(bed.counted()).toEqual({ EVENT_REMEMBERED: 1 });
        expectAtBackend(errorAbout(flow), flow, bed.backendOf(flow));
      });

      it('drops what quotes no service, or whose time is over', () => {
        open({ hook, mode: 'ipip', outer: 4, defaultMode });
        const flow = bed.flow(4);
        expect(bed.run(frameOf(errorAbout({ ...flow, vipPort: 81 }))).action).toBe('drop');
        expect(bed.counted()).toEqual({ DROP_ICMP_NO_FLOW: 1 });
        expect(bed.run(frameOf(errorAbout(flow, 1))).action).toBe('drop');
        expect(bed.counted()).toEqual({ DROP_TTL: 1 });
      });
    });
  }
}
