/** Would the random histories notice? Each seeded fault is compiled in, and the run must disagree. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enterNetwork } from '../../packet/network.ts';
import { isAlive, ownProcess } from '../../rig/process-table.ts';
import { runDifferential } from '../run-differential.ts';
import { DSR_VARIANTS, SNAT_VARIANTS, type Variant } from '../variants.ts';
import { compileFault } from './compile-fault.ts';
import { DSR_FAULTS } from './dsr-faults.ts';
import type { Fault } from './fault.ts';
import { SNAT_FAULTS } from './snat-faults.ts';

/** The short run; a fault found later than this is not found. */
const PACKETS = 100_000;
/** Most faults are found much earlier. */
const CONTROL = 15_000;
const SEED = Number(process.env.SEED ?? 20);
const PREFIX = 'l4lb-fault-';

let directory = '';

beforeAll(() => {
  removeLeftDirectories();
  enterNetwork();
});

afterAll(() => {
  delete process.env.L4LB_BUILD_DIR;
  rmSync(directory, { recursive: true, force: true });
});

/** Directories tell whose they are, so that two runs at a time do not take each other's away. */
function ownPrefix(): string {
  const { pid, startTime } = ownProcess();
  return join(tmpdir(), `${PREFIX}${pid}-${startTime}-`);
}

/** Of runs that were killed. */
function removeLeftDirectories(): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const [pid, startTime = ''] = name.slice(PREFIX.length).split('-');
    if (isAlive({ pid: Number(pid), startTime })) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

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
  rmSync(directory, { recursive: true, force: true });
  directory = mkdtempSync(ownPrefix());
  process.env.L4LB_BUILD_DIR = compileFault(fault, directory);
  const { disagreement } = await runDifferential({ seed: SEED, packets: PACKETS, variants, isShrunk: false });
  if (disagreement === undefined) expect.fail(`not found in ${PACKETS} steps`);
  const [first = ''] = disagreement.failure.differences;
  process.stdout.write(`${fault.name}: after ${disagreement.after} steps, ${first.slice(0, 100)}\n`);
}
