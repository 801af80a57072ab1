/** Configurations that the random histories are run with; together they reach every rule. */
import type { ServiceMode } from '../../src/services/desired-state.ts';
import type { BedOptions } from '../packet/bed.ts';
import { HASH_SEED, prefix, testConfig } from '../packet/situation.ts';

export interface Variant {
  readonly name: string;
  readonly options: BedOptions;
  /** How many histories of a round. */
  readonly share: number;
  /** Of services: how likely each mode is. */
  readonly modes: ReadonlyArray<readonly [weight: number, mode: ServiceMode]>;
}

const SNAT_ONLY = [[1, 'snat']] as const;

const SILENT = { unknownPort: false, noBackend: false, noFlow: false } as const;

export const VARIANTS: readonly Variant[] = [
  {
    name: 'few ports, everything on',
    share: 2,
    options: {
      config: testConfig({
        reject: { perSecond: 30 },
        dsr: { rememberedFlows: 40, rememberPerSecond: 30, source: [prefix('172.20.0.0/30')] },
      }),
      hashSeed: HASH_SEED,
      sizes: { flows4: 512 },
    },
    // The flow table is asked first, so these are the general path's.
    modes: [
      [7, 'snat'],
      [1, 'ipip'],
      [1, 'gue'],
      [1, 'l2'],
    ],
  },
  {
    name: 'no sharing, few flows, nothing answered',
    share: 1,
    options: {
      config: testConfig({ sharedFlows: 0, echo: false, reject: SILENT, ports: { min: 40000, max: 40006 } }),
      hashSeed: 1n,
      sizes: { flows4: 16 },
    },
    modes: SNAT_ONLY,
  },
  {
    name: 'one port, little to share',
    share: 1,
    options: {
      config: testConfig({ sharedFlows: 5, ports: { min: 65535, max: 65535 }, nextHops: 16 }),
      hashSeed: 0xffffffffffffffffn,
      sizes: { flows4: 512, snat_shared: 4 },
    },
    modes: SNAT_ONLY,
  },
  {
    name: 'more ports than one walk sees',
    share: 1,
    options: {
      config: testConfig({ ports: { min: 1024, max: 1423 }, reject: { noFlow: false } }),
      hashSeed: 0n,
      sizes: { flows4: 2048 },
    },
    modes: SNAT_ONLY,
  },
  {
    name: 'in IP by default, little memory',
    share: 2,
    options: {
      config: testConfig({ mode: 'ipip', dsr: { rememberedFlows: 9, rememberPerSecond: 25 } }),
      hashSeed: HASH_SEED ^ 0xffffn,
    },
    modes: [
      [8, 'ipip'],
      [1, 'gue'],
      [1, 'l2'],
      [1, 'snat'],
    ],
  },
  {
    name: 'in GUE by default, from one address',
    share: 1,
    options: {
      config: testConfig({
        mode: 'gue',
        dsr: { source: ['172.20.255.254/32', 'fd00:20::ffff:fffe/128'].map(prefix), guePort: 65_535 },
        reject: { ...SILENT, perSecond: 200 },
      }),
      hashSeed: 7n,
    },
    modes: [
      [8, 'gue'],
      [1, 'ipip'],
      [2, 'snat'],
    ],
  },
  {
    name: 'by MAC address by default',
    share: 1,
    options: {
      config: testConfig({ mode: 'l2', dsr: { rememberedFlows: 30, rememberPerSecond: 7 } }),
      hashSeed: 0x0123_4567_89ab_cdefn,
    },
    modes: [
      [8, 'l2'],
      [1, 'ipip'],
      [1, 'snat'],
    ],
  },
];

/** Those that look flows up first. */
export const SNAT_VARIANTS: readonly Variant[] = VARIANTS.filter(
  ({ options }) => options.config.mode === 'snat',
);

/** Those in which services in a DSR mode are most. */
export const DSR_VARIANTS: readonly Variant[] = VARIANTS.filter(
  ({ options }) => options.config.mode !== 'snat',
);
