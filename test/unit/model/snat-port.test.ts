import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Address, ip } from '../../model/bytes.ts';
import { buildFrame, TCP } from '../../model/packet.ts';
import { parseFrame } from '../../model/parse.ts';
import { processPacket } from '../../model/process-packet.ts';
import type { FlowRecord, ModelState } from '../../model/state.ts';
import { BACKENDS, CONFIG, DNS, HTTP, HZ, INGRESS, smallWorld, VIP, withTable } from '../../model/world.ts';

const START = 1_000_000;
const at = (now: number) => ({ now, cpu: 0, ingressIfindex: INGRESS });

function packet(isTcp: boolean, client: number, port: number, flags: number): Buffer {
  return buildFrame({
    ip: { source: ip('198.51.100.1') + client, destination: VIP },
    l4: isTcp
      ? { kind: 'tcp', sourcePort: port, destinationPort: HTTP, flags }
      : { kind: 'udp', sourcePort: port, destinationPort: DNS },
  });
}

/** Flows whose answers could be taken for one another's. */
function clashes(state: ModelState): string[] {
  const owners = new Map<string, FlowRecord>();
  const found: string[] = [];
  for (const record of state.records.values()) {
    if (record.state === 'FLOW_FREE' || record.state === 'FLOW_CLAIMED' || record.detached) continue;
    const { backendAddress, backendPort, snatIndex, snatPort, protocol } = record;
    const key = `${snatIndex}:${snatPort} ${backendAddress}:${backendPort} ${protocol}`;
    if (owners.has(key)) found.push(key);
    owners.set(key, record);
  }
  return found;
}

it('no two live flows share SNAT address, port, backend and protocol', () => {
  const step = fc.record({
    isTcp: fc.boolean(),
    client: fc.integer({ min: 0, max: 30 }),
    flags: fc.constantFrom(TCP.SYN, TCP.SYN, TCP.ACK, TCP.FIN | TCP.ACK, TCP.RST),
    wait: fc.constantFrom(0, 1, HZ, 20 * HZ, 70 * HZ),
  });
  let shared = 0;
  let reused = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
      const state = smallWorld({ portMax: CONFIG.portMin + 3, extraRecords: 2 });
      let now = START;
      for (const { isTcp, client, flags, wait } of steps) {
        now += wait;
        const { events } = processPacket(state, packet(isTcp, client, 1000 + client, flags), at(now));
        shared += Number(events.includes('EVENT_SNAT_SHARED'));
        reused += Number(events.includes('EVENT_SNAT_REUSED_EARLY'));
        expect(clashes(state)).toEqual([]);
      }
    }),
    { seed: 7, numRuns: 200 },
  );
  expect(shared).toBeGreaterThan(0);
  expect(reused).toBeGreaterThan(0);
});

it('an established flow never changes its backend while that is there', () => {
  const change = fc.array(fc.integer({ min: 0, max: BACKENDS.length - 1 }), {
    minLength: 251,
    maxLength: 251,
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (tables) => {
      const state = smallWorld();
      const destination = (flags: number, now: number): Address => {
        const result = processPacket(state, packet(true, 1, 1000, flags), at(now));
        if (result.verdict === 'drop') throw new Error(result.reason);
        return parseFrame(result.frame).destination;
      };
      const first = destination(TCP.SYN, START);
      let now = START;
      for (const slots of tables) {
        state.services.set(1, withTable({ slots, block: 8 }));
        now += HZ * 10;
        expect(destination(TCP.ACK, now)).toBe(first);
      }
    }),
    { numRuns: 30 },
  );
});

it('a closed port rests for the hold time before the same backend gets it again', () => {
  const state = smallWorld({ portMax: CONFIG.portMin, extraRecords: 0 });
  const one = new Uint16Array(251);
  state.services.set(1, withTable({ slots: one, block: 8 }));
  processPacket(state, packet(true, 1, 1000, TCP.SYN), at(START));
  processPacket(state, packet(true, 1, 1000, TCP.RST), at(START + 1));
  const early = processPacket(state, packet(true, 2, 1000, TCP.SYN), at(START + 2));
  expect(early.events).toContain('EVENT_SNAT_REUSED_EARLY');
  processPacket(state, packet(true, 2, 1000, TCP.RST), at(START + 3));
  const rested = START + 3 + CONFIG.timeout.FLOW_CLOSED + 1;
  const late = processPacket(state, packet(true, 3, 1000, TCP.SYN), at(rested));
  expect(late.events).not.toContain('EVENT_SNAT_REUSED_EARLY');
});

it('the same backend in two services is one backend to a SNAT port', () => {
  const state = smallWorld({ portMax: CONFIG.portMin, extraRecords: 8 });
  const one = new Uint16Array(251);
  state.services.set(1, withTable({ slots: one, block: 8 }));
  state.services.set(3, withTable({ slots: one, block: 20 }));
  state.backends.set(20, { ...(state.backends.get(8) ?? expect.fail('no backend')), nextHop: 8 });
  processPacket(state, packet(true, 1, 1000, TCP.SYN), at(START));
  const second = buildFrame({
    ip: { source: ip('198.51.100.9'), destination: VIP },
    l4: { kind: 'tcp', sourcePort: 2000, destinationPort: 81, flags: TCP.SYN },
  });
  expect(processPacket(state, second, at(START + 1))).toMatchObject({
    verdict: 'drop',
    reason: 'DROP_SNAT_EXHAUSTED',
  });
});
