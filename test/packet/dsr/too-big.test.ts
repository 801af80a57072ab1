/** Packets that do not fit the way to a backend with their outer header. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checksumOf, onesSum } from '../../model/bytes.ts';
import { enterNetwork } from '../network.ts';
import { addressBytes, type Flow } from './addresses.ts';
import { backendAddress, DsrBed, type DsrOptions } from './dsr-bed.ts';
import { encapsulated, frameOf, innerPacket, LB_MAC, oneHopOn, ROUTER_MAC } from './frames.ts';

beforeAll(enterNetwork);

let bed: DsrBed;
afterEach(() => bed?.close());
const open = (options: DsrOptions): DsrBed => {
  bed = new DsrBed(options);
  return bed;
};

/** What tells the client of `flow` that `mtu` would fit: quotes the IP header and 8 bytes. */
function tooBigAnswer(packet: Buffer, flow: Flow, mtu: number): Buffer {
  const isIpv4 = packet.readUInt8(0) >> 4 === 4;
  const icmp = Buffer.alloc(8);
  icmp.writeUInt8(isIpv4 ? 3 : 2, 0);
  icmp.writeUInt8(isIpv4 ? 4 : 0, 1);
  icmp.writeUInt32BE(mtu, 4);
  const body = Buffer.concat([icmp, packet.subarray(0, isIpv4 ? 28 : 48)]);
  if (isIpv4) {
    const ip = Buffer.alloc(20);
    ip.writeUInt8(0x45, 0);
    ip.writeUInt16BE(20 + body.length, 2);
    ip.writeUInt16BE(0x4000, 6);
    ip.writeUInt8(64, 8);
    ip.writeUInt8(1, 9);
    addressBytes(flow.vip).copy(ip, 12);
    addressBytes(flow.client).copy(ip, 16);
    ip.writeUInt16BE(checksumOf(ip, 0, 20), 10);
    body.writeUInt16BE(checksumOf(body, 0, body.length), 2);
    return Buffer.concat([ip, body]);
  }
  const ip = Buffer.alloc(40);
  ip.writeUInt8(0x60, 0);
  ip.writeUInt16BE(body.length, 4);
  ip.writeUInt8(58, 6);
  ip.writeUInt8(64, 7);
  addressBytes(flow.vip).copy(ip, 8);
  addressBytes(flow.client).copy(ip, 24);
  const pseudo = Buffer.concat([ip.subarray(8, 40), Buffer.from([0, 58, 0, body.length])]);
  body.writeUInt16BE(checksumOf(body, 0, body.length, onesSum(pseudo, 0, pseudo.length)), 2);
  return Buffer.concat([ip, body]);
}

function expectAnswer(packet: Buffer, flow: Flow, mtu: number): void {
  const { action, data } = bed.run(frameOf(packet));
  const expected = frameOf(tooBigAnswer(packet, flow, mtu), { to: ROUTER_MAC, from: LB_MAC });
  expect({ action, data: data.toString('hex') }).toEqual({ action: 'tx', data: expected.toString('hex') });
  expect(bed.counted()).toEqual({ EVENT_TOO_BIG_ANSWERED: 1, DROP_TOO_BIG: 1 });
}

function expectDrop(packet: Buffer): void {
  expect(bed.run(frameOf(packet)).action).toBe('drop');
  expect(bed.counted()).toEqual({ DROP_TOO_BIG: 1 });
}

/** Handed to the kernel in an outer header that may be fragmented. */
function expectFragmentable(packet: Buffer, flow: Flow, id: number): void {
  const { action, data } = bed.run(frameOf(packet));
  const hash = bed.hash(flow);
  const backend = backendAddress(4, bed.backendOf(flow));
  const fragmentId = (((id & 255) << 8) | (id >>> 8)) ^ (hash & 0xffff);
  const wireId = ((fragmentId & 255) << 8) | (fragmentId >>> 8);
  const { mode } = bed.options;
  const out = encapsulated(oneHopOn(packet), { mode, backend, hash, fragmentId: wireId });
  expect({ action, data: data.toString('hex') }).toEqual({
    action: 'pass',
    data: frameOf(out, { to: LB_MAC, from: ROUTER_MAC }).toString('hex'),
  });
  expect(bed.counted()).toEqual({ EVENT_TO_KERNEL: 1 });
}

for (const hook of ['xdp', 'tc'] as const) {
  describe(hook, () => {
    it.each([
      ['ipip', 20],
      ['gue', 32],
    ] as const)('%s: answers IPv4 with DF at one byte over, and forwards what just fits', (mode, size) => {
      open({ hook, mode, outer: 4, mtu: 1500 });
      const flow = bed.flow(4);
      bed.expectForwarded(innerPacket({ flow, payload: 1500 - size - 40 }), flow);
      expect(bed.counted()).toEqual({});
      expectAnswer(innerPacket({ flow, payload: 1500 - size - 39 }), flow, 1500 - size);
    });

    it('answers IPv6, whose packets nobody fragments on the way', () => {
      open({ hook, mode: 'ipip', outer: 6, mtu: 1500 });
      const flow = bed.flow(6);
      bed.expectForwarded(innerPacket({ flow, payload: 1500 - 40 - 60 }), flow);
      expectAnswer(innerPacket({ flow, payload: 1500 - 40 - 59 }), flow, 1460);
    });

    it('never asks an IPv6 host for less than 1280, and fragments the outer packet instead', () => {
      open({ hook, mode: 'ipip', outer: 4, mtu: 1290 });
      const flow = bed.flow(6, 'udp');
      expectAnswer(innerPacket({ flow, payload: 1281 - 48 }), flow, 1280);
      const small = innerPacket({ flow, payload: 1280 - 48 });
      expectFragmentable(small, flow, small.readUInt16BE(46));
    });

    it.each([
      ['ipip', 4, 20],
      ['gue', 4, 32],
      ['ipip', 6, 40],
      ['l2', 4, 0],
    ] as const)('%s, outer IPv%s: answers IPv4 without DF too', (mode, outer, size) => {
      open({ hook, mode, outer, mtu: 1400 });
      const flow = bed.flow(4, 'udp');
      const packet = { flow, fragment: 0, id: 0x1234 };
      bed.expectForwarded(innerPacket({ ...packet, payload: 1400 - size - 28 }), flow);
      expect(bed.counted()).toEqual({});
      expectAnswer(innerPacket({ ...packet, payload: 1400 - size - 27 }), flow, 1400 - size);
    });

    it('says nothing beyond the budget, nor to sources that nobody has', () => {
      open({ hook, mode: 'ipip', outer: 4, mtu: 1400, config: { rejectPerSecond: 2 } });
      const flow = bed.flow(4);
      const packet = innerPacket({ flow, payload: 1400 });
      expectDrop(innerPacket({ flow: { ...flow, client: '224.0.0.1' }, payload: 1400 }));
      expectAnswer(packet, flow, 1380);
      expectAnswer(packet, flow, 1380);
      expectDrop(packet);
    });
  });
}
