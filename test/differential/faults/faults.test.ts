/** Would the random histories notice? Each seeded fault is compiled in, and the run must disagree. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enterNetwork } from '../../packet/network.ts';
import { runDifferential } from '../run-differential.ts';
import { DSR_VARIANTS, SNAT_VARIANTS, type Variant } from '../variants.ts';
import { DSR_FAULTS } from './dsr-faults.ts';
import type { Fault } from './fault.ts';
import { FaultBuilds } from './fault-builds.ts';
import { SNAT_FAULTS } from './snat-faults.ts';

/** The short run; a fault found later than this is not found. */
const PACKETS = 100_000;
/** Most faults are found much earlier. */
const CONTROL = 15_000;
const SEED = Number(process.env.SEED ?? 20);

const builds = new FaultBuilds([...SNAT_FAULTS, ...DSR_FAULTS]);

beforeAll(enterNetwork);
afterAll(async () => {
  delete process.env.L4LB_BUILD_DIR;
  await builds.close();
});

describe('a seeded fault is found', () => {
  it('and without one, programs and model agree on the same packets', async () => {
    const { disagreement } = await runDifferential({ seed: SEED, packets: CONTROL, isShrunk: false });
    expect(disagreement).toBeUndefined();
  });

  describe.each([
    ['of SNAT, or of every packet', SNAT_FAULTS, SNAT_VARIANTS],
    ['of DSR', DSR_FAULTS, DSR_VARIANTS],
  ] as const)('%s', (_, faults, variants) => {
    it.each(faults.map((fault) => [fault.name, fault] as const))('%s', async (_, fault) => {
      await expectFound(fault, variants);
    });
  });
});

async function expectFound(fault: Fault, variants: readonly Variant[]): Promise<void> {
  process.env.L4LB_BUILD_DIR = await builds.of(fault);
  const { disagreement } = await runDifferential({ seed: SEED, packets: PACKETS, variants, isShrunk: false });
  builds.drop(fault);
  if (disagreement === undefined) expect.fail(`not found in ${PACKETS} steps`);
  const [first = ''] = disagreement.failure.differences;
  process.stdout.write(`${fault.name}: after ${disagreement.after} steps, ${first.slice(0, 100)}\n`);
}
