/** The real programs in the kernel, packet by packet; both hooks run the same table. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hook, openBed } from './bed.ts';
import type { Case } from './cases/case.ts';
import { FLOW_CASES } from './cases/flow-cases.ts';
import { FORWARD_CASES } from './cases/forward-cases.ts';
import { FRAGMENT_CASES } from './cases/fragment-cases.ts';
import { ICMP_ERROR_CASES } from './cases/icmp-error-cases.ts';
import { IPV6_CASES } from './cases/ipv6-cases.ts';
import { NEXT_HOP_CASES } from './cases/next-hop-cases.ts';
import { PORT_CASES } from './cases/port-cases.ts';
import { REFUSAL_CASES } from './cases/refusal-cases.ts';
import { SOURCE_RANGE_CASES } from './cases/source-range-cases.ts';
import { TOO_BIG_CASES } from './cases/too-big-cases.ts';
import { enterNetwork, mirrorText } from './network.ts';
import { SNAT_OUTCOMES } from './reached.ts';
import { Scene } from './scene.ts';
import { HASH_SEED, testConfig } from './situation.ts';

const CASES: readonly Case[] = [
  ...FORWARD_CASES,
  ...FLOW_CASES,
  ...PORT_CASES,
  ...REFUSAL_CASES,
  ...NEXT_HOP_CASES,
  ...FRAGMENT_CASES,
  ...ICMP_ERROR_CASES,
  ...IPV6_CASES,
  ...SOURCE_RANGE_CASES,
  ...TOO_BIG_CASES,
];

const SETUPS = {
  roomy: { config: testConfig({ reject: { perSecond: 20 } }), hashSeed: HASH_SEED },
  tight: {
    config: testConfig({ ports: { min: 65535, max: 65535 }, sharedFlows: 2 }),
    hashSeed: HASH_SEED,
  },
  full: {
    config: testConfig({ ports: { min: 65535, max: 65535 }, sharedFlows: 2 }),
    hashSeed: HASH_SEED,
    sizes: { flows4: 4 },
  },
  silent: {
    config: testConfig({ echo: false, reject: { unknownPort: false, noBackend: false, noFlow: false } }),
    hashSeed: HASH_SEED,
  },
  ipv6: { config: testConfig({ vips: `${mirrorText('10.1.0.0')}/64` }), hashSeed: HASH_SEED },
} as const;

beforeAll(enterNetwork);

for (const hook of ['xdp', 'tc'] as const) {
  const reached = new Set<string>();
  describe(hook, () => {
    for (const setup of ['roomy', 'tight', 'full', 'silent', 'ipv6'] as const)
      describeSetup(hook, setup, reached);

    it('every drop reason and event was reached', () => {
      expect(SNAT_OUTCOMES.length).toBeGreaterThan(20);
      expect(SNAT_OUTCOMES.filter((name) => !reached.has(name))).toEqual([]);
    });
  });
}

function describeSetup(hook: Hook, setup: keyof typeof SETUPS, reached: Set<string>): void {
  describe(setup, () => {
    let scene: Scene;
    let close = (): void => {};
    beforeAll(() => {
      const bed = openBed({ ...SETUPS[setup], hook });
      close = () => bed.close();
      scene = new Scene(bed, reached);
    });
    afterAll(() => close());

    for (const { name, setup: needs = 'roomy', hooks = ['xdp', 'tc'], run } of CASES) {
      if (needs === setup && hooks.includes(hook)) it(name, async () => run(scene));
    }
  });
}
