/** A real process is killed between two stores to real maps, and the next one takes over. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DesiredService } from '../../src/services/desired-state.ts';
import { backendAt, freshDirectory, kernel, open, removeDirectory, serviceOn } from './bed.ts';
import { checkInvariants, describeMaps, liveServices } from './invariants.ts';

const BEFORE: DesiredService[] = [
  serviceOn('10.1.0.2', [backendAt('10.0.0.1'), backendAt('10.0.0.2', 3)]),
  serviceOn('10.1.0.3', [backendAt('10.0.0.1')]),
  serviceOn('10.1.0.4', [backendAt('10.0.0.9')]),
  { ...serviceOn('10.1.0.6', [backendAt('10.0.0.1')]), sourceRanges: ['192.0.2.0/24', '198.51.100.0/24'] },
  { ...serviceOn('10.1.0.7', [backendAt('10.0.0.1')]), sourceRanges: ['192.0.2.0/24'] },
  { ...serviceOn('2001:db8:1::2', [backendAt('2001:db8:3::1')]), mode: 'ipip' as const },
  // Slots of backends that stay are tracked, and one of the oldest owners goes.
  {
    ...serviceOn(
      '10.1.0.8',
      [1, 2, 3].map((host) => backendAt(`10.0.0.${host}`)),
    ),
    mode: 'ipip' as const,
  },
];
/**
 * One service grows out of its block, two go, two come, one stays as it is; source ranges come and go, and
 * a mode and the family of the backends change.
 */
const AFTER: DesiredService[] = [
  serviceOn(
    '10.1.0.2',
    [1, 3, 4, 5, 6, 7].map((host) => backendAt(`10.0.0.${host}`)),
  ),
  BEFORE[1] as DesiredService,
  serviceOn('10.1.0.5', [backendAt('10.0.0.1'), backendAt('10.0.0.8', 0)], 1021),
  {
    ...serviceOn('10.1.0.6', [backendAt('10.0.0.1')]),
    mode: 'gue' as const,
    sourceRanges: ['10.0.0.0/8', '192.0.2.0/24'],
  },
  { ...serviceOn('2001:db8:1::2', [backendAt('10.0.0.1')]), mode: 'gue' as const },
  {
    ...serviceOn(
      '10.1.0.8',
      [1, 2, 4].map((host) => backendAt(`10.0.0.${host}`)),
    ),
    mode: 'ipip' as const,
  },
  { ...serviceOn('2001:db8:1::3', [backendAt('2001:db8:3::1')]), sourceRanges: ['2001:db8:ff::/48'] },
];

let directory = '';
let wanted = '';

beforeAll(async () => {
  directory = await freshDirectory('kill');
  const dataplane = await open(directory);
  await dataplane.apply({ services: AFTER });
  wanted = describeMaps(dataplane.maps, kernel);
  await dataplane.close();
});

afterAll(() => removeDirectory(directory));

test.each([1, 7, 13, 19, 25, 31, 37, 43, 49, 55, 61])(
  'kill -9 before store %i of a change',
  async (stores) => {
    directory = await freshDirectory('kill');
    const child = spawnSync(
      process.execPath,
      [
        '--import',
        'tsx',
        new URL('./killed-agent.ts', import.meta.url).pathname,
        directory,
        String(stores),
        JSON.stringify(BEFORE),
        JSON.stringify(AFTER),
      ],
      { encoding: 'utf8', timeout: 60_000 },
    );
    expect(child.stderr).toBe('');
    expect(child.signal).toBe('SIGKILL');
    const dataplane = await open(directory);
    checkInvariants(dataplane.maps, kernel);
    const untouched = liveServices(dataplane.maps, kernel).get(`${0x0a010003}:53/17`)?.value.table;
    await dataplane.apply({ services: AFTER });
    await dataplane.releaseFormer();
    checkInvariants(dataplane.maps, kernel);
    expect(describeMaps(dataplane.maps, kernel)).toBe(wanted);
    expect((await dataplane.apply({ services: AFTER })).stores).toBe(0);
    const now = liveServices(dataplane.maps, kernel).get(`${0x0a010003}:53/17`)?.value.table;
    expect(now).toBe(untouched);
    await dataplane.close();
  },
);
