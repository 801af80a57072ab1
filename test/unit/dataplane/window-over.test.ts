/** A change right after a window ended by the clock, before anybody settled it. */
import { expect, it } from 'vitest';
import type { DesiredService } from '../../../src/services/desired-state.ts';
import { checkInvariants, describeMaps } from '../../dataplane/invariants.ts';
import { applierOn } from './fake-applier.ts';
import { FakeKernel } from './fake-kernel.ts';

const HZ = 250;
const WINDOW = { tcp: 900_000, udp: 30_000 };

const service = (vip: string, tableSize: 251 | 1021, hosts: number, gone = 0): DesiredService => ({
  frontend: { vip, port: 80, protocol: 'TCP' },
  namespace: 'default',
  name: `s${vip}`,
  type: 'LoadBalancer',
  mode: 'ipip',
  window: WINDOW,
  tableSize,
  backends: Array.from({ length: hosts - gone }, (_, i) => ({
    address: `10.0.0.${i + gone + 1}`,
    port: 80,
    weight: 1,
    state: 'active',
  })),
});

it('leaves the tables of others alone when the oldest owners need more room than before', async () => {
  const kernel = new FakeKernel();
  const clock = { hz: HZ, now: () => now };
  let now = 1000;
  const applier = applierOn(kernel, { clock });
  const apply = (...services: DesiredService[]) =>
    applier.apply(services, { ownAddresses: [], deletions: true });
  // Two of them, so that one comes to lie behind the table of oldest owners.
  const others = [service('10.1.0.3', 1021, 3), service('10.1.0.4', 1021, 3)];
  await apply(service('10.1.0.2', 251, 2));
  await apply(service('10.1.0.2', 1021, 3));
  now += (WINDOW.tcp * HZ) / 1000;
  // More than the block has room for: the table and that of oldest owners are made anew, of different sizes.
  await apply(service('10.1.0.2', 251, 20, 1));
  await apply(service('10.1.0.2', 251, 20, 1), ...others);
  const before = linesOf(kernel);
  await apply(service('10.1.0.2', 251, 40), ...others);
  expect(linesOf(kernel)).toEqual(before);
});

/** All about the other services; throws when tables overlap. */
function linesOf(kernel: FakeKernel): string[] {
  checkInvariants(kernel.maps, kernel);
  const lines = describeMaps(kernel.maps, kernel).split('\n');
  const found = lines.filter((line) => /^(167837699|167837700):80/.test(line));
  expect(found).toHaveLength(2);
  return found;
}
