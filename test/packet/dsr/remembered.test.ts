/** What is remembered, put there by hand: clocks of two CPUs, and packets from port 0. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  flowState,
  KEY_OF_CLIENT,
  rememberedFlow,
  serviceFlag,
  service as serviceLayout,
} from '../../../src/layout/generated.ts';
import { enterNetwork } from '../network.ts';
import { addressBytes, type Flow } from './addresses.ts';
import { DsrBed, macOfBackend, mixedSlots } from './dsr-bed.ts';
import { frameOf, innerPacket, TCP_FLAGS } from './frames.ts';
import { tableWord } from './hand-made.ts';

const OLDEST_LINE = 48;
const OWNER = 1;

beforeAll(enterNetwork);
let bed: DsrBed;
afterEach(() => bed?.close());

function keyOf(flow: Flow): Buffer {
  const tail = Buffer.alloc(8);
  tail.writeUInt16BE(flow.clientPort, 0);
  tail.writeUInt16BE(flow.vipPort, 2);
  tail.writeUInt32LE(flow.protocol, 4);
  return Buffer.concat([addressBytes(flow.client), addressBytes(flow.vip), tail]);
}

const clientOf = (flow: Flow): Flow => ({ ...flow, clientPort: 0, protocol: flow.protocol | KEY_OF_CLIENT });

function remember(service: number, key: Buffer, backend: number, seen: number): void {
  const value = rememberedFlow.encode({
    backend: 8 * service + backend,
    backendGeneration: 0,
    state: flowState.FLOW_ESTABLISHED,
    reserved: 0,
    isn: 0,
    seen: seen >>> 0,
  });
  bed.hand.kernel.update(bed.hand.map('remembered4'), key, value);
}

const sentTo = (packet: Buffer): string => bed.run(frameOf(packet)).data.subarray(0, 6).toString('hex');
const macOf = (backend: number): string => macOfBackend(backend).toString('hex');

/** Backend 1 owns all slots, all are tracked. */
function open(hook: 'xdp' | 'tc', flags = 0): void {
  const slots = mixedSlots().map(() => OWNER | 0x8000);
  bed = new DsrBed({ hook, mode: 'ipip', outer: 4, slots, flags });
}

/** Backend 3 had them before. */
function openWindow(): void {
  bed.hand.setSlots(OLDEST_LINE, new Array(251).fill(3));
  const { view, at } = bed.hand.at('services', 1);
  serviceLayout.write(view, at, {
    ...serviceLayout.read(view, at),
    oldest: tableWord(OLDEST_LINE, 1, 8),
    windowStart: bed.hand.now(),
    windowTcp: 900_000_000,
  });
}

describe.each(['xdp', 'tc'] as const)('%s', (hook) => {
  it('after the flip, a flow that another CPU saw a moment later stays where it is', () => {
    open(hook);
    const flow = bed.flow(4);
    for (const ahead of [0, 500]) {
      bed.hand.memory('recent4').fill(0);
      remember(1, keyOf(flow), 2, bed.hand.now() + ahead);
      expect(sentTo(innerPacket({ flow }))).toBe(macOf(2));
    }
  });

  it.each(['rst', 'fin', 'syn', 'ack'] as const)(
    'a packet (%s) from port 0 ends and moves nothing of the client',
    (flag) => {
      for (const isOpen of [false, true]) {
        open(hook, serviceFlag.SERVICE_F_AFFINITY);
        if (isOpen) openWindow();
        const flow = bed.flow(4);
        remember(1, keyOf(clientOf(flow)), 2, bed.hand.now());
        bed.run(frameOf(innerPacket({ flow: { ...flow, clientPort: 0 }, flags: TCP_FLAGS[flag] })));
        const value = bed.hand.kernel.lookup(bed.hand.map('remembered4'), keyOf(clientOf(flow)));
        expect(value && rememberedFlow.decode(value)).toMatchObject({
          backend: 8 + 2,
          state: flowState.FLOW_ESTABLISHED,
        });
        expect(sentTo(innerPacket({ flow, flags: TCP_FLAGS.syn }))).toBe(macOf(2));
        bed.close();
      }
    },
  );
});
