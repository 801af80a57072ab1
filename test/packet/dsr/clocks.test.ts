/** Clocks of two CPUs, of which one is read a moment before the other. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { flowState, rememberedFlow } from '../../../src/layout/generated.ts';
import { enterNetwork } from '../network.ts';
import { addressBytes, type Flow } from './addresses.ts';
import { DsrBed, macOfBackend, mixedSlots } from './dsr-bed.ts';
import { frameOf, innerPacket } from './frames.ts';

beforeAll(enterNetwork);
let bed: DsrBed;
afterEach(() => bed?.close());

const keyOf = (flow: Flow): Buffer => {
  const tail = Buffer.alloc(8);
  tail.writeUInt16BE(flow.clientPort, 0);
  tail.writeUInt16BE(flow.vipPort, 2);
  tail.writeUInt32LE(flow.protocol, 4);
  return Buffer.concat([addressBytes(flow.client), addressBytes(flow.vip), tail]);
};

function remember(flow: Flow, backend: number, seen: number): void {
  const value = rememberedFlow.encode({
    backend: 8 * bed.serviceOf(flow) + backend,
    backendGeneration: 0,
    state: flowState.FLOW_ESTABLISHED,
    reserved: 0,
    isn: 0,
    seen: seen >>> 0,
  });
  bed.hand.kernel.update(bed.hand.map('remembered4'), keyOf(flow), value);
}
const sentTo = (packet: Buffer): string => bed.run(frameOf(packet)).data.subarray(0, 6).toString('hex');
const tracked = () => mixedSlots().map(() => 1 | 0x8000);

describe.each(['xdp', 'tc'] as const)('%s', (hook) => {
  it('after the flip, a flow that another CPU saw a moment later stays where it is', () => {
    bed = new DsrBed({ hook, mode: 'ipip', outer: 4, slots: tracked() });
    const flow = bed.flow(4);
    for (const ahead of [0, 500]) {
      bed.hand.memory('recent4').fill(0);
      remember(flow, 2, bed.hand.now() + ahead);
      expect(sentTo(innerPacket({ flow }))).toBe(macOfBackend(2).toString('hex'));
    }
  });
});
