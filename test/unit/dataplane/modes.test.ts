/** Families, modes and source ranges in the maps, and what packets may meet while they change. */
import { expect, test } from 'vitest';
import { Applier } from '../../../src/dataplane/apply.ts';
import { kernelStores, type Stores } from '../../../src/dataplane/stores.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import {
  type Backend,
  backend,
  nextHop,
  type Service,
  sourceRangeKey,
} from '../../../src/layout/generated.ts';
import type { DesiredService } from '../../../src/services/desired-state.ts';
import { sourcesOf } from '../../dataplane/family-invariants.ts';
import { checkInvariants, liveServices } from '../../dataplane/invariants.ts';
import { FakeKernel } from './fake-kernel.ts';

const SCOPE = { ownAddresses: [], deletions: true };

/** `onStore` is called after each store. */
function setUp(onStore: () => void = () => undefined) {
  const kernel = new FakeKernel();
  const { maps } = kernel;
  const inner = kernelStores(kernel as unknown as Kernel);
  const stores = Object.fromEntries(
    Object.entries(inner).map(([name, store]) => [
      name,
      (...args: never[]) => {
        (store as (...args: never[]) => void)(...args);
        onStore();
      },
    ]),
  ) as unknown as Stores;
  const make = () =>
    new Applier({
      kernel,
      maps,
      stores,
      agentNextHops: 96,
      outerSource: 0x0a040000,
      clock: { hz: 250, now: () => 5_000 },
    });
  const entries = (): Backend[] => {
    const { view, stride, entries: count } = maps.arrays.backends;
    const all = Array.from({ length: count }, (_, index) => backend.read(view, index * stride));
    return all.filter(({ state }) => state !== 0);
  };
  const live = (name: string): Service | undefined => liveServices(maps, kernel).get(name)?.value;
  const sources = (name: string): string[] => {
    const index = liveServices(maps, kernel).get(name)?.index ?? -1;
    return sourcesOf(maps, kernel).get(index) ?? [];
  };
  return { kernel, maps, make, applier: make(), entries, live, sources };
}

const FOUR = `${0x0a010002}:80/6`;

function web(more: Partial<DesiredService> = {}, backends = ['10.0.0.1']): DesiredService {
  return {
    frontend: { vip: '10.1.0.2', port: 80, protocol: 'TCP' },
    namespace: 'a',
    name: 'web',
    type: 'LoadBalancer',
    mode: 'snat',
    tableSize: 251,
    backends: backends.map((address) => ({ address, port: 8080, weight: 1, state: 'active' })),
    ...more,
  };
}

const WEB6 = web({ frontend: { vip: '2001:db8:1::2', port: 80, protocol: 'TCP' } }, ['2001:db8:3::5']);

test('an IPv6 service: key, backend and next hop with all four words', async () => {
  const { applier, make, entries, maps, live } = setUp();
  await applier.apply([web(), WEB6], SCOPE);
  const words = [0x20010db8, 0x00010000, 0, 2];
  expect(live(`${words.join('.')}:80/6`)?.key).toEqual({ addr: words, port: 80, protocol: 6, family: 6 });
  const six = entries().find(({ family }) => family === 6) as Backend;
  expect(six).toMatchObject({ addr: [0x20010db8, 0x00030000, 0, 5], port: 8080, outerChecksum: 0 });
  const { view, stride } = maps.arrays.next_hops;
  expect(nextHop.read(view, six.nextHop * stride)).toMatchObject({ addr: six.addr, family: 6 });
  expect((await make().apply([web(), WEB6], SCOPE)).stores).toBe(0);
});

test('a mode is in the flags, and its outer checksum in the entries before them', async () => {
  const seen = new Set<string>();
  const bed = setUp(() => {
    const flags = bed.live(FOUR)?.flags;
    for (const { outerChecksum } of bed.entries()) seen.add(`${flags} ${outerChecksum}`);
  });
  const sums: Record<string, number> = {};
  for (const mode of ['snat', 'ipip', 'l2', 'gue', 'snat'] as const) {
    await bed.applier.apply([web({ mode })], SCOPE);
    sums[mode] = bed.entries()[0]?.outerChecksum ?? -1;
    expect(bed.live(FOUR)?.flags).toBe(['snat', 'ipip', 'gue', 'l2'].indexOf(mode));
    expect((await bed.make().apply([web({ mode })], SCOPE)).stores).toBe(0);
  }
  expect([sums.snat, sums.l2]).toEqual([0, 0]);
  expect(sums.ipip).not.toBe(sums.gue);
  // The mode was there only together with its own checksum.
  expect(seen).toContain(`1 ${sums.ipip}`);
  expect(seen).not.toContain('1 0');
  expect(seen).toContain(`2 ${sums.gue}`);
  expect(seen).not.toContain('2 0');
});

test('an agent whose outer source is another one repairs the checksums', async () => {
  const { kernel, maps, applier, entries } = setUp();
  await applier.apply([web({ mode: 'ipip' })], SCOPE);
  const before = entries()[0]?.outerChecksum;
  const other = new Applier({
    kernel,
    maps,
    stores: kernelStores(kernel as unknown as Kernel),
    agentNextHops: 96,
    outerSource: 0x0a050000,
    clock: { hz: 250, now: () => 5_000 },
  });
  expect((await other.apply([web({ mode: 'ipip' })], SCOPE)).stores).toBe(1);
  // Two more than before in one of its words, in network order.
  expect(entries()[0]?.outerChecksum).toBe((before ?? 0) + 0x100);
});

test('SNAT never has a table that names draining backends, nor a tunnel one without its checksum', async () => {
  const at = (address: string, state: 'active' | 'draining') =>
    ({ address, port: 8080, weight: state === 'active' ? 1 : 0, state }) as const;
  let isChanging = false;
  const { applier, kernel, maps } = setUp(() => {
    // Throws where a table names an entry that its flags do not allow.
    if (isChanging) checkInvariants(maps, kernel, 0x0a040000);
  });
  await applier.apply([web({}, ['10.0.0.1', '10.0.0.2'])], SCOPE);
  isChanging = true;
  await applier.apply([web({ mode: 'ipip', backends: [at('10.0.0.3', 'draining')] })], SCOPE);
  await applier.apply([web({ backends: [at('10.0.0.3', 'draining'), at('10.0.0.4', 'active')] })], SCOPE);
});

test('affinity and hash are flags', async () => {
  const { applier, live } = setUp();
  await applier.apply([web({ affinity: { timeout: 1000 } })], SCOPE);
  expect(live(FOUR)?.flags).toBe(4);
  await applier.apply([web({ hash3: true })], SCOPE);
  expect(live(FOUR)?.flags).toBe(16);
  await applier.apply([web()], SCOPE);
  expect(live(FOUR)?.flags).toBe(0);
});

test('source ranges: the list is whole before the flag, and those who may stay are never shut out', async () => {
  const kept = '4 3221225984.0.0.0/24';
  const bed = setUp(() => {
    if (((bed.live(FOUR)?.flags ?? 0) & 8) !== 0) expect(bed.sources(FOUR)).toContain(kept);
  });
  const { applier, make, live, sources } = bed;
  const ranges = (...sourceRanges: string[]) => [web({ sourceRanges })];
  await applier.apply([web()], SCOPE);
  await applier.apply(ranges('192.0.2.0/24', '198.51.100.0/24'), SCOPE);
  expect(live(FOUR)?.flags).toBe(8);
  expect(sources(FOUR)).toHaveLength(2);
  await applier.apply(ranges('10.0.0.0/8', '192.0.2.0/24'), SCOPE);
  expect(sources(FOUR)).toEqual(['4 167772160.0.0.0/8', kept]);
  expect((await make().apply(ranges('10.0.0.0/8', '192.0.2.0/24'), SCOPE)).stores).toBe(0);
  await applier.apply([web()], SCOPE);
  expect(live(FOUR)?.flags).toBe(0);
  expect(sources(FOUR)).toEqual([]);
  // A new service has its list before it is found.
  await applier.apply([], SCOPE);
  await applier.apply(ranges('192.0.2.0/24'), SCOPE);
  expect(sources(FOUR)).toEqual([kept]);
});

test('an empty list lets nobody in, which is not the same as none', async () => {
  const { applier, live } = setUp();
  await applier.apply([web({ sourceRanges: [] })], SCOPE);
  expect(live(FOUR)?.flags).toBe(8);
});

test('ranges of a service that is gone are gone, also when an agent was killed before', async () => {
  const { kernel, maps, applier, make } = setUp();
  await applier.apply([web({ sourceRanges: ['192.0.2.0/24'] })], SCOPE);
  await applier.apply([], SCOPE);
  expect(kernel.entries(maps.others.source_ranges)).toEqual([]);
  const stray = { prefixLength: 64 + 24, service: 7, family: 4, addr: [0xc0000200, 0, 0, 0] };
  kernel.update(maps.others.source_ranges, sourceRangeKey.encode(stray), new Uint8Array(4));
  await make().apply([], SCOPE);
  expect(kernel.entries(maps.others.source_ranges)).toEqual([]);
});

test('too many source ranges: the service waits, and says so', async () => {
  const { applier, live } = setUp();
  const sourceRanges = Array.from({ length: 33 }, (_, i) => `10.${i}.0.0/16`);
  const report = await applier.apply([web({ sourceRanges })], SCOPE);
  expect(report.waiting).toEqual(['10.1.0.2:80/TCP']);
  expect(report.problems).toMatchObject([{ severity: 'error', code: 'source-ranges-full' }]);
  expect(live(FOUR)).toBeUndefined();
  expect((await applier.apply([web({ sourceRanges: sourceRanges.slice(1) })], SCOPE)).waiting).toEqual([]);
});

test('a service whose backends change family', async () => {
  const { applier, entries, make } = setUp();
  await applier.apply([web({ mode: 'gue' })], SCOPE);
  const crossed = web({ mode: 'gue' }, ['2001:db8:3::5']);
  await applier.apply([crossed], SCOPE);
  expect(entries().map(({ family }) => family)).toEqual([6]);
  expect((await make().apply([crossed], SCOPE)).stores).toBe(0);
});
