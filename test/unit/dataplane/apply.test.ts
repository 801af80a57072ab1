/** What an apply does and leaves alone, case by case. */
import { expect, test } from 'vitest';
import { Applier } from '../../../src/dataplane/apply.ts';
import { namedBackends } from '../../../src/dataplane/former-flows.ts';
import { kernelStores } from '../../../src/dataplane/stores.ts';
import { tableSlots, unpackTableWord } from '../../../src/dataplane/table-word.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import {
  backend,
  flowRecord,
  flowState,
  nextHop,
  service as serviceLayout,
} from '../../../src/layout/generated.ts';
import type { DesiredBackend, DesiredService } from '../../../src/services/desired-state.ts';
import { checkInvariants, liveServices } from '../../dataplane/invariants.ts';
import { FakeKernel, type FakeSizes } from './fake-kernel.ts';

const VIP = `${0x0a010002}:80/6`;

function setUp(sizes?: FakeSizes) {
  const kernel = new FakeKernel(sizes);
  const { maps } = kernel;
  const clock = { hz: 250, now: () => 5_000 };
  const make = () =>
    new Applier({
      kernel,
      maps,
      stores: kernelStores(kernel as unknown as Kernel),
      agentNextHops: maps.arrays.next_hops.entries * 0.75,
      clock,
    });
  const applier = make();
  const apply = (services: DesiredService[], deletions = true) =>
    applier.apply(services, { ownAddresses: [], deletions });
  const word = () => liveServices(maps, kernel).get(VIP)?.value.table;
  return { kernel, maps, apply, applier, make, word };
}

function active(host: number, weight = 1): DesiredBackend {
  return { address: `10.0.0.${host}`, port: 80, weight, state: 'active' };
}

function draining(host: number): DesiredBackend {
  return { address: `10.0.0.${host}`, port: 80, weight: 0, state: 'draining' };
}

function service(backends: DesiredBackend[], more: Partial<DesiredService> = {}): DesiredService {
  return {
    frontend: { vip: '10.1.0.2', port: 80, protocol: 'TCP' },
    namespace: 'a',
    name: 'b',
    type: 'LoadBalancer',
    mode: 'snat',
    tableSize: 251,
    backends,
    ...more,
  };
}

test('a backend that joins draining changes no table', async () => {
  const { apply, word } = setUp();
  await apply([service([active(1)])]);
  const before = word();
  const report = await apply([service([active(1), draining(2)])]);
  expect(report.stores).toBeGreaterThan(0);
  expect(word()).toBe(before);
});

test('weights in the same proportion are the same table', async () => {
  const { apply } = setUp();
  await apply([service([active(1, 2), active(2, 4)])]);
  expect((await apply([service([active(1, 1), active(2, 2)])])).stores).toBe(0);
});

test('names and types change nothing in the maps', async () => {
  const { apply } = setUp();
  await apply([service([active(1)])]);
  expect((await apply([service([active(1)], { name: 'other', type: 'ExternalIPs' })])).stores).toBe(0);
});

test('without backends the service stays, without a table', async () => {
  const { apply, word } = setUp();
  await apply([service([active(1)])]);
  await apply([service([])]);
  expect(tableSlots(unpackTableWord(word() ?? 1n))).toBe(0);
  await apply([service([active(1)])]);
  expect(tableSlots(unpackTableWord(word() ?? 0n))).toBe(251);
});

test('services are not taken out before the source is whole', async () => {
  const { apply, word } = setUp();
  await apply([service([active(1)])]);
  const report = await apply([], false);
  expect([report.stores, report.removed]).toEqual([0, 0]);
  expect(word()).toBeDefined();
  expect((await apply([])).removed).toBeGreaterThan(0);
  expect(word()).toBeUndefined();
});

test('a VIP is in use as long as one service has it', async () => {
  const { apply, kernel, maps } = setUp();
  const vip = `${0x0a010002}:0/0`;
  const udp = service([active(1)], { frontend: { vip: '10.1.0.2', port: 53, protocol: 'UDP' } });
  await apply([service([active(1)]), udp]);
  expect(liveServices(maps, kernel).has(vip)).toBe(true);
  await apply([udp]);
  expect(liveServices(maps, kernel).has(vip)).toBe(true);
  await apply([]);
  expect(liveServices(maps, kernel).size).toBe(0);
});

test('an outgrown block is kept in step as long as a flow names it, then freed', async () => {
  const { apply, applier, maps, make } = setUp();
  await apply([service([active(1)])]);
  const old = activeEntries(1);
  expect(old).toHaveLength(1);
  // A flow on the entry of 10.0.0.1, which is about to be outgrown.
  const record = maps.arrays.flow_records;
  const empty = flowRecord.decode(new Uint8Array(flowRecord.size));
  const flow = { ...empty, backend: old[0] as number, state: flowState.FLOW_ESTABLISHED, seen: 4_990 };
  flowRecord.write(record.view, 3 * record.stride, flow);
  const many = [1, 2, 3, 4, 5].map((host) => active(host));
  await apply([service(many)]);
  expect(activeEntries(1)).toHaveLength(2);
  const timeouts = new Array<number>(flowState.FLOW_STATES).fill(100);
  const named = (now: number) => () => namedBackends(record, timeouts, now);
  expect(await applier.releaseFormer(named(5_000))).toBe(0);
  // A restarted agent knows of it, and needs no store.
  const restarted = make();
  expect((await restarted.apply([service(many)], { ownAddresses: [], deletions: true })).stores).toBe(0);
  expect(await restarted.releaseFormer(named(5_000))).toBe(0);
  expect(await restarted.releaseFormer(named(5_091))).toBe(1);
  expect(activeEntries(1)).toHaveLength(1);

  function activeEntries(host: number): number[] {
    const { view, stride, entries } = maps.arrays.backends;
    return Array.from({ length: entries }, (_, index) => index).filter((index) => {
      const entry = backend.read(view, index * stride);
      return entry.state === 1 && entry.addr[0] === 0x0a000000 + host;
    });
  }
});

test('a backend that leaves is free at once, and its entry has another generation', async () => {
  const { apply, maps } = setUp();
  await apply([service([active(1), active(2)])]);
  const { view, stride } = maps.arrays.backends;
  const index = [0, 1, 2, 3].find((i) => backend.read(view, i * stride).addr[0] === 0x0a000002) ?? -1;
  const before = backend.read(view, index * stride);
  await apply([service([active(1)])]);
  const after = backend.read(view, index * stride);
  expect([after.state, after.generation]).toEqual([0, before.generation + 1]);
});

test('generations of entries, services and tables go around', async () => {
  const { apply, maps, kernel, word } = setUp();
  const all = [service([active(1), active(2)])];
  await apply(all);
  const { view, stride } = maps.arrays.backends;
  const { services } = maps.arrays;
  const at = backend.offsets.generation;
  for (let i = 0; i < 8; i += 1) view.setUint16(i * stride + at, 0xffff, true);
  for (let i = 0; i < 4; i += 1) {
    services.view.setUint32(i * services.stride + serviceLayout.offsets.generation, 0xffffffff, true);
  }
  const generations = new Set<number>();
  for (let turn = 0; turn < 300; turn += 1) {
    await apply([service([active(1), active(turn % 2 === 0 ? 3 : 2)])]);
    generations.add(unpackTableWord(word() ?? 0n).generation);
  }
  expect(generations.size).toBe(256);
  const entries = Array.from({ length: 8 }, (_, i) => backend.read(view, i * stride));
  expect(entries.some(({ generation }) => generation < 300)).toBe(true);
  await apply([]);
  await apply(all);
  checkInvariants(maps, kernel);
});

test('too few next hops: a warning, packets by the kernel, no store the second time, and later a next hop', async () => {
  const { apply, maps, kernel } = setUp({ nextHops: 4 });
  const crowd = [1, 2, 3, 4].map((host) => active(host));
  const report = await apply([service(crowd)]);
  expect(report.problems).toMatchObject([{ severity: 'warning', code: 'next-hops-full' }]);
  expect(report.problems[0]?.message).toMatch(/^2 backends/);
  expect(report.waiting).toEqual([]);
  expect((await apply([service(crowd)])).stores).toBe(0);
  const relieved = await apply([service(crowd.slice(2))]);
  checkInvariants(maps, kernel);
  expect((await apply([service(crowd.slice(2))])).problems).toEqual([]);
  expect(relieved.changed).toBe(1);
  const { view, stride, entries } = maps.arrays.next_hops;
  const addresses = Array.from({ length: entries }, (_, i) => nextHop.read(view, i * stride).addr[0]);
  expect(addresses.filter((address) => address !== 0).sort()).toEqual([0x0a000003, 0x0a000004]);
});

test('too many services: the rest waits, says so, and comes in when there is room', async () => {
  const { apply } = setUp({ counted: 3, services: 16 });
  const on = (port: number) => service([active(1)], { frontend: { vip: '10.1.0.2', port, protocol: 'TCP' } });
  const report = await apply([on(1), on(2), on(3), on(4)]);
  expect(report).toMatchObject({ created: 2, waiting: ['10.1.0.2:3/TCP', '10.1.0.2:4/TCP'] });
  expect(report.problems).toMatchObject([{ severity: 'error', code: 'services-full' }]);
  // The places of those that go are used in the same apply.
  expect(await apply([on(3), on(4)])).toMatchObject({ created: 2, removed: 2, waiting: [], problems: [] });
});

test('a bucket that overflows', async () => {
  const { apply, kernel, maps } = setUp({ buckets: 1, counted: 32, services: 64 });
  const services = Array.from({ length: 12 }, (_, i) =>
    service([active(1)], { frontend: { vip: '10.1.0.2', port: 1 + i, protocol: 'TCP' } }),
  );
  await apply(services);
  expect(kernel.entries(maps.others.frontend_overflow)).toHaveLength(6);
  expect(maps.arrays.frontends.view.getUint32(56, true)).toBe(1);
  expect(liveServices(maps, kernel).size).toBe(13);
  await apply([]);
  expect(kernel.entries(maps.others.frontend_overflow)).toHaveLength(0);
  expect(maps.arrays.frontends.view.getUint32(56, true)).toBe(0);
});
