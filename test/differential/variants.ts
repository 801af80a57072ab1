/** Configurations that the random histories are run with; together they reach every rule. */
import type { BedOptions } from '../packet/bed.ts';
import { HASH_SEED, testConfig } from '../packet/situation.ts';

export interface Variant {
  readonly name: string;
  readonly options: BedOptions;
  /** How many histories of a round. */
  readonly share: number;
}

const SILENT = { unknownPort: false, noBackend: false, noFlow: false } as const;

export const VARIANTS: readonly Variant[] = [
  {
    name: 'few ports, everything on',
    share: 2,
    options: {
      config: testConfig({ reject: { perSecond: 30 } }),
      hashSeed: HASH_SEED,
      sizes: { flows4: 512 },
    },
  },
  {
    name: 'no sharing, few flows, nothing answered',
    share: 1,
    options: {
      config: testConfig({ sharedFlows: 0, echo: false, reject: SILENT, ports: { min: 40000, max: 40006 } }),
      hashSeed: 1n,
      sizes: { flows4: 16 },
    },
  },
  {
    name: 'one port, little to share',
    share: 1,
    options: {
      config: testConfig({ sharedFlows: 5, ports: { min: 65535, max: 65535 }, nextHops: 16 }),
      hashSeed: 0xffffffffffffffffn,
      sizes: { flows4: 512, snat_shared: 4 },
    },
  },
  {
    name: 'more ports than one walk sees',
    share: 1,
    options: {
      config: testConfig({ ports: { min: 1024, max: 1423 }, reject: { noFlow: false } }),
      hashSeed: 0n,
      sizes: { flows4: 2048 },
    },
  },
];
