/** A service keeps what its backends counted, whichever of them go, and whenever the agent is killed. */
import { expect, test } from 'vitest';
import type { Applier } from '../../../src/dataplane/apply.ts';
import { sumByService, usedEntries } from '../../../src/dataplane/retired-traffic.ts';
import { kernelStores, type Stores } from '../../../src/dataplane/stores.ts';
import { readRetired, sumTraffic } from '../../../src/dataplane/traffic-counters.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { carryTraffic } from './carry-traffic.ts';
import { applierOn } from './fake-applier.ts';
import { FakeKernel } from './fake-kernel.ts';
import { SCOPE, ipipService as service } from './ipip-service.ts';

const WORDS = 8;

class KilledError extends Error {}

/** Ends after so many writes. */
function killedAfter(stores: Stores, writes: number): Stores {
  let left = writes;
  const spend = () => {
    if (left-- <= 0) throw new KilledError();
  };
  return Object.fromEntries(
    Object.entries(stores).map(([name, write]) => [
      name,
      (...args: unknown[]) => {
        spend();
        return write(...args);
      },
    ]),
  ) as unknown as Stores;
}

function agent(kernel: FakeKernel, writes = Number.POSITIVE_INFINITY): Applier {
  const stores = killedAfter(kernelStores(kernel as unknown as Kernel), writes);
  return applierOn(kernel, { stores, clock: { hz: 100, now: () => 50 } });
}

/** Packets of the service with this port, as `lbctl` would say. */
function packetsOf(kernel: FakeKernel, applier: Applier, port: number): bigint | undefined {
  const { maps } = kernel;
  const retired = readRetired(maps, 0, maps.arrays.service_counters.entries);
  const sums = sumByService(maps, retired, sumTraffic(maps, 0, usedEntries(maps)));
  const found = [...(applier.services?.values() ?? [])].find(({ key }) => key.port === port);
  return found && sums[found.index * WORDS];
}

test('a service has what its backends have, also those that are gone', async () => {
  const kernel = new FakeKernel();
  const applier = agent(kernel);
  await applier.apply([service(80, [1, 2, 3])], SCOPE);
  carryTraffic(kernel);
  expect(packetsOf(kernel, applier, 80)).toBe(300n);
  await applier.apply([service(80, [1])], SCOPE);
  expect(packetsOf(kernel, applier, 80)).toBe(300n);
  // The entries are used again, by others.
  await applier.apply([service(80, [1, 4, 5]), service(81, [6, 7])], SCOPE);
  expect(packetsOf(kernel, applier, 80)).toBe(300n);
  expect(packetsOf(kernel, applier, 81)).toBe(0n);
  carryTraffic(kernel);
  expect(packetsOf(kernel, applier, 80)).toBe(600n);
  expect(packetsOf(kernel, applier, 81)).toBe(200n);
});

test('a service that comes anew begins with nothing', async () => {
  const kernel = new FakeKernel();
  const applier = agent(kernel);
  await applier.apply([service(80, [1, 2])], SCOPE);
  carryTraffic(kernel);
  await applier.apply([], SCOPE);
  await applier.apply([service(80, [1, 2])], SCOPE);
  expect(packetsOf(kernel, applier, 80)).toBe(0n);
});

test('an agent killed after any write loses no packet from the sum and adds none twice', async () => {
  let kills = 0;
  for (let writes = 0; ; writes++) {
    const kernel = new FakeKernel();
    await agent(kernel).apply([service(80, [1, 2, 3, 4])], SCOPE);
    carryTraffic(kernel);
    let killed = false;
    await agent(kernel, writes)
      .apply([service(80, [1, 5])], SCOPE)
      .catch((error: unknown) => {
        if (!(error instanceof KilledError)) throw error;
        killed = true;
        kills += 1;
      });
    // The next one is killed at the same write of its own.
    const next = agent(kernel, writes);
    await next.apply([service(80, [1, 5])], SCOPE).catch(() => {});
    const last = agent(kernel);
    await last.apply([service(80, [1, 5])], SCOPE);
    expect(packetsOf(kernel, last, 80), `killed after ${writes} writes`).toBe(400n);
    if (!killed) break;
  }
  expect(kills).toBeGreaterThan(10);
});
