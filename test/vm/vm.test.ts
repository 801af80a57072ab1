/** The checks of this folder under each kernel, each a test of its own. The machines run at the same time. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { allChecks } from './all-checks.ts';
import { bootVm, prepareVm, type VmRun } from './boot-vm.ts';
import { VM_KERNELS, type VmKernel } from './kernels.ts';

interface Verifier {
  /** Instructions the verifier may walk, by program: 1.3 times the most. The kernel's own limit is 1,000,000. */
  readonly ceiling: Readonly<Record<string, number>>;
  /** What it walked when this was last written, by kernel and program. */
  readonly walked: Readonly<Record<VmKernel, Readonly<Record<string, number>>>>;
}

const HOUR = 3_600_000;
const GOLDEN = join(import.meta.dirname, '..', 'golden', 'verifier-instructions.json');

const verifier = JSON.parse(readFileSync(GOLDEN, 'utf8')) as Verifier;
const runs = new Map<VmKernel, VmRun>();

beforeAll(async () => {
  await prepareVm();
  await Promise.all(VM_KERNELS.map(async (kernel) => runs.set(kernel, await bootVm(kernel))));
}, HOUR);

describe.each(VM_KERNELS)('Linux %s', (kernel) => {
  const run = (): VmRun => {
    const found = runs.get(kernel);
    if (found === undefined) throw new Error(`the VM of Linux ${kernel} was not started`);
    return found;
  };

  it.each(allChecks.map(({ name }) => name))('%s', (name) => {
    const result = run().results.get(name);
    if (result === undefined) throw new Error(`this check did not run\n${run().log.slice(-4000)}`);
    if (result.error !== undefined) throw new Error(result.error);
  });

  it('keeps every program far below the limit of the verifier', () => {
    const results = [...run().results].filter(([name]) => name.startsWith('programs: '));
    const walked = Object.assign({}, ...results.map(([, { facts }]) => facts)) as Record<string, number>;
    console.log(`Linux ${kernel}: ${run().seconds.toFixed(0)} s, verifier walked ${JSON.stringify(walked)}`);
    expect(Object.keys(walked).sort()).toEqual(Object.keys(verifier.walked[kernel]).sort());
    const above = Object.entries(walked).filter(([name, count]) => count > (verifier.ceiling[name] ?? 0));
    expect(above).toEqual([]);
  });
});
