/** The programs load whatever families and modes are configured, and maps take services of both. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DataplaneConfig } from '../../src/dataplane/program-config.ts';
import { backendAt, CONFIG, freshDirectory, kernel, open, removeDirectory, serviceOn } from './bed.ts';
import { sourcesOf } from './family-invariants.ts';
import { checkInvariants, liveServices } from './invariants.ts';

const [VIP4] = CONFIG.vips.ranges;
const VIP6 = { network: 0x20010db8_00010000_00000000_00000000n, length: 64 };
const [SNAT4] = CONFIG.snat.ranges;
const SNAT6 = { first: 0x20010db8_00020000_00000000_00000010n, count: 1, own: false };
const DSR = {
  source: [
    { network: 0x0a040000, length: 16 },
    { network: 0x20010db8_00040000_00000000_00000000n, length: 96 },
  ],
  guePort: 6080,
  window: { tcp: 60_000, udp: 1_000 },
  rememberedFlows: 64,
  rememberPerSecond: 10,
};
const ANSWERS = { unknownPort: true, noBackend: true, noFlow: true, perSecond: 100 };

/** Everything that a program can do; what is not configured, the verifier takes out. */
function config(changes: {
  vips: DataplaneConfig['vips']['ranges'];
  snat: DataplaneConfig['snat']['ranges'];
  mode?: DataplaneConfig['mode'];
}): DataplaneConfig {
  const { vips, snat, mode = 'snat' } = changes;
  return {
    ...CONFIG,
    vips: { ...CONFIG.vips, ranges: vips },
    snat: { ...CONFIG.snat, ranges: snat },
    reject: ANSWERS,
    mode,
    dsr: DSR,
  };
}

let directory = '';
beforeAll(async () => {
  directory = await freshDirectory('families');
});
afterAll(() => removeDirectory(directory));

const both = [VIP4, VIP6] as DataplaneConfig['vips']['ranges'];

test.each<[string, DataplaneConfig]>([
  ['IPv4', config({ vips: [VIP4 as typeof VIP6], snat: [SNAT4 as typeof SNAT6] })],
  ['IPv6', config({ vips: [VIP6], snat: [SNAT6] })],
  ['both', config({ vips: both, snat: [SNAT4 as typeof SNAT6, SNAT6] })],
  ['both, first of all GUE', config({ vips: both, snat: [SNAT4 as typeof SNAT6, SNAT6], mode: 'gue' })],
  ['both, without SNAT', config({ vips: both, snat: [], mode: 'ipip' })],
])('the programs load: %s', async (_, each) => {
  directory = await freshDirectory('families');
  const dataplane = await open(directory, { config: each });
  expect(dataplane.verifiedInstructions.lb_xdp).toBeGreaterThan(0);
  await dataplane.close();
});

test('services of both families, with source ranges in the prefix map', async () => {
  directory = await freshDirectory('families');
  const dataplane = await open(directory, { config: config({ vips: [VIP6], snat: [SNAT6] }) });
  const six = {
    ...serviceOn('2001:db8:1::2', [backendAt('2001:db8:3::1')]),
    sourceRanges: ['2001:db8:ff::/48'],
  };
  const crossed = { ...serviceOn('2001:db8:1::3', [backendAt('10.0.0.1')]), mode: 'gue' as const };
  const report = await dataplane.apply({ services: [six, crossed] });
  expect(report).toMatchObject({ created: 2, problems: [] });
  checkInvariants(dataplane.maps, kernel, 0x0a040000);
  const live = liveServices(dataplane.maps, kernel).get(`${[0x20010db8, 0x10000, 0, 2].join('.')}:53/17`);
  expect(sourcesOf(dataplane.maps, kernel).get(live?.index ?? 0)).toEqual([
    `6 ${[0x20010db8, 0x00ff0000, 0, 0].join('.')}/48`,
  ]);
  await dataplane.close();
  const again = await open(directory, { config: config({ vips: [VIP6], snat: [SNAT6] }) });
  expect((await again.apply({ services: [six, crossed] })).stores).toBe(0);
  await again.apply({ services: [] });
  expect(sourcesOf(again.maps, kernel).size).toBe(0);
  await again.close();
});
