/** Random histories of desired states, with the agent killed after every single store. */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Applier } from '../../../src/dataplane/apply.ts';
import { encodeKey, keyOfService } from '../../../src/dataplane/frontend-key.ts';
import { kernelStores, type Stores } from '../../../src/dataplane/stores.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { frontendKey } from '../../../src/layout/generated.ts';
import {
  type DesiredBackend,
  type DesiredService,
  SERVICE_MODES,
} from '../../../src/services/desired-state.ts';
import { nameOfKey } from '../../dataplane/family-invariants.ts';
import { checkInvariants, describeMaps, liveServices } from '../../dataplane/invariants.ts';
import { GraceWatch, Killed, killAfter } from '../../dataplane/watched-stores.ts';
import { FakeKernel, type FakeSizes } from './fake-kernel.ts';

vi.setConfig({ testTimeout: 120_000 });

const clock = { hz: 250, now: () => 1_000_000 };
const OWN = [0x0a010001, 0x20010db8_00010000_00000000_00000001n];

const backendArbitrary: fc.Arbitrary<DesiredBackend> = fc
  .record({
    host: fc.integer({ min: 1, max: 6 }),
    port: fc.constantFrom(80, 81),
    weight: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ host, port, weight }) => ({
    address: `10.0.0.${host}`,
    port,
    weight,
    state: weight === 0 ? 'draining' : 'active',
  }));

const RANGES = ['192.0.2.0/24', '198.51.100.0/24', '2001:db8:ff::/48'];

const serviceArbitrary: fc.Arbitrary<DesiredService> = fc
  .record({
    vip: fc.constantFrom('10.1.0.2', '10.1.0.3', '10.1.0.4', '2001:db8:1::2', '2001:db8:1::3'),
    six: fc.boolean(),
    mode: fc.constantFrom(...SERVICE_MODES),
    affinity: fc.boolean(),
    hash3: fc.boolean(),
    ranges: fc.option(fc.subarray(RANGES), { freq: 2 }),
    port: fc.constantFrom(53, 80),
    protocol: fc.constantFrom('TCP', 'UDP'),
    tableSize: fc.constantFrom(251, 251, 1021),
    backends: fc.uniqueArray(backendArbitrary, {
      maxLength: 7,
      selector: ({ address, port }) => `${address}:${port}`,
    }),
  })
  .map(({ vip, port, protocol, tableSize, backends, mode, six, affinity, hash3, ranges }) => ({
    frontend: { vip, port, protocol },
    namespace: 'default',
    name: `s${vip}`,
    type: 'LoadBalancer' as const,
    mode,
    ...(affinity ? { affinity: { timeout: 1000 } } : {}),
    ...(hash3 ? { hash3 } : {}),
    ...(ranges === null ? {} : { sourceRanges: ranges }),
    tableSize,
    backends: backends
      .map((backend) => ({
        ...backend,
        address: six ? `2001:db8:3::${backend.address.slice(-1)}` : backend.address,
      }))
      .sort((x, y) => (x.address < y.address ? -1 : 1) || x.port - y.port),
  }));

const stateArbitrary = fc.uniqueArray(serviceArbitrary, {
  maxLength: 5,
  selector: ({ frontend }) => `${frontend.vip}:${frontend.port}/${frontend.protocol}`,
});

/** One agent's life on the maps: every store is checked, and the maps are as after a kill when it throws. */
class Life {
  readonly kernel: FakeKernel;
  readonly applier: Applier;

  constructor(kernel: FakeKernel, kill = Number.POSITIVE_INFINITY) {
    this.kernel = kernel;
    const watch = new GraceWatch(() => checkInvariants(kernel.maps, kernel));
    const stores: Stores = watch.watch(kernelStores(kernel as unknown as Kernel), kernel.maps);
    this.applier = new Applier({
      kernel: {
        entries: (map) => kernel.entries(map),
        batches: (map) => kernel.batches(map),
        buildMaglevTable: (slots, hashes, quotas) => kernel.buildMaglevTable(slots, hashes, quotas),
        gracePeriod: async () => {
          await kernel.gracePeriod();
          watch.gracePeriodEnded();
        },
      },
      maps: kernel.maps,
      stores: killAfter(stores, kill),
      agentNextHops: kernel.maps.arrays.next_hops.entries * 0.75,
      clock,
    });
  }

  async apply(services: readonly DesiredService[]) {
    return this.applier.apply(services, { ownAddresses: OWN, deletions: true });
  }

  /** As when all flows of outgrown blocks have ended. */
  releaseFormer() {
    return this.applier.releaseFormer(() => () => false);
  }
}

async function fresh(services: readonly DesiredService[], sizes?: FakeSizes): Promise<string> {
  const kernel = new FakeKernel(sizes);
  await new Life(kernel).apply(services);
  return describeMaps(kernel.maps, kernel);
}

function tables(kernel: FakeKernel): Map<string, bigint> {
  return new Map([...liveServices(kernel.maps, kernel)].map(([name, { value }]) => [name, value.table]));
}

test('every history ends in the maps that a fresh agent makes, and the second time changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stateArbitrary, { minLength: 1, maxLength: 6 }), async (history) => {
      const kernel = new FakeKernel();
      const life = new Life(kernel);
      for (const state of history) {
        const report = await life.apply(state);
        expect(report.problems).toEqual([]);
        expect((await life.apply(structuredClone(state))).stores).toBe(0);
        await life.releaseFormer();
        expect(describeMaps(kernel.maps, kernel)).toBe(await fresh(state));
        const restarted = await new Life(kernel).apply(structuredClone(state));
        expect(restarted.stores).toBe(0);
      }
    }),
    { numRuns: 40 },
  );
});

test('an agent that is told the same objects again looks at the others only, and ends in the same maps', async () => {
  let unchanged = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(serviceArbitrary, { minLength: 3, maxLength: 9 }),
      fc.array(fc.nat(511), { minLength: 2, maxLength: 10 }),
      async (pool, masks) => {
        const kernel = new FakeKernel();
        const life = new Life(kernel);
        for (const mask of masks) {
          const names = new Set<string>();
          // Some of a few objects, which are the same from step to step.
          const state = pool.filter(({ frontend: { vip, port, protocol } }, index) => {
            const name = `${vip} ${port} ${protocol}`;
            if ((mask & (1 << index)) === 0 || names.has(name)) return false;
            names.add(name);
            return true;
          });
          const report = await life.apply(state);
          expect(report.created + report.changed + report.unchanged).toBe(state.length);
          unchanged += report.unchanged;
          await life.releaseFormer();
          expect(describeMaps(kernel.maps, kernel)).toBe(await fresh(structuredClone(state)));
        }
      },
    ),
    { numRuns: 60 },
  );
  expect(unchanged).toBeGreaterThan(50);
});

test('an agent killed after any store leaves whole maps, and the next one converges', async () => {
  let kills = 0;
  await fc.assert(
    fc.asyncProperty(stateArbitrary, stateArbitrary, fc.boolean(), async (before, after, again) => {
      const wanted = await fresh(after);
      for (let stores = 0; ; stores++) {
        const kernel = new FakeKernel();
        await new Life(kernel).apply(before);
        const settled = tables(kernel);
        const doomed = new Life(kernel, stores);
        let ended = false;
        try {
          await doomed.apply(after);
          ended = true;
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          kills += 1;
        }
        checkInvariants(kernel.maps, kernel);
        // The next agent is killed as well, at the same store of its own.
        if (again) await new Life(kernel, stores >> 1).apply(after).catch(onlyKilled);
        const life = new Life(kernel);
        await life.apply(after);
        await life.releaseFormer();
        expect(describeMaps(kernel.maps, kernel)).toBe(wanted);
        expectUntouched(before, after, settled, tables(kernel));
        if (ended) break;
      }
    }),
    { numRuns: 4 },
  );
  expect(kills).toBeGreaterThan(100);
});

function onlyKilled(error: unknown): void {
  if (!(error instanceof Killed)) throw error;
}

/** A service that is the same before and after keeps its table, its region and its block. */
function expectUntouched(
  before: readonly DesiredService[],
  after: readonly DesiredService[],
  then: ReadonlyMap<string, bigint>,
  now: ReadonlyMap<string, bigint>,
): void {
  for (const service of before) {
    const same = after.some((other) => JSON.stringify(other) === JSON.stringify(service));
    if (!same) continue;
    const key = keyOfService(service);
    const name = nameOfKey(frontendKey.decode(encodeKey(key)));
    expect(then.has(name)).toBe(true);
    expect(now.get(name)).toBe(then.get(name));
  }
}

test('a thousand changes leak nothing', async () => {
  const kernel = new FakeKernel();
  const life = new Life(kernel);
  const states = fc.sample(stateArbitrary, { numRuns: 300, seed: 7 });
  for (const state of states) {
    expect((await life.apply(state)).problems).toEqual([]);
    await life.releaseFormer();
  }
  await life.apply([]);
  await life.releaseFormer();
  const { arrays } = kernel.maps;
  expect(liveServices(kernel.maps, kernel).size).toBe(OWN.length);
  expect(describeMaps(kernel.maps, kernel)).toBe(await fresh([]));
  // All of it can be used again: one service with as many backends as there are entries.
  const room = Array.from({ length: arrays.backends.entries / 2 }, (_, i) => i);
  const large = serviceOf(
    '10.1.0.9',
    room.map((i) => ({ ...one, address: `10.3.0.${i}`, port: 80 })),
  );
  expect((await life.apply([large])).problems).toEqual([]);
});

const one: DesiredBackend = { address: '10.0.0.1', port: 80, weight: 1, state: 'active' };

function serviceOf(vip: string, backends: readonly DesiredBackend[], tableSize = 251): DesiredService {
  return {
    frontend: { vip, port: 80, protocol: 'TCP' },
    namespace: 'a',
    name: 'b',
    type: 'LoadBalancer',
    mode: 'snat',
    tableSize,
    backends,
  };
}

test('without room for a table the change waits, the old table stays, and room that comes is used', async () => {
  // Two tables of 251 slots take 16 lines; there is no third place.
  const kernel = new FakeKernel({ lines: 16 });
  const life = new Life(kernel);
  const first = serviceOf('10.1.0.2', [one]);
  const second = serviceOf('10.1.0.3', [one]);
  await life.apply([first, second]);
  const before = tables(kernel);
  const moved = serviceOf('10.1.0.2', [{ ...one, address: '10.0.0.2' }]);
  const report = await life.apply([moved, second]);
  expect(report.waiting).toEqual(['10.1.0.2:80/TCP']);
  expect(report.problems.map(({ code }) => code)).toEqual(['slots-full']);
  expect(report.problems[0]?.message).toContain('0 of 512 slots are free');
  expect(tables(kernel)).toEqual(before);
  checkInvariants(kernel.maps, kernel);
  const done = await life.apply([moved]);
  expect(done.waiting).toEqual([]);
  expect(describeMaps(kernel.maps, kernel)).toBe(await fresh([moved], { lines: 16 }));
});
