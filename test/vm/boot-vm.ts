/** Boots a kernel in a virtual machine and brings back what its checks say. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { run } from '../rig/command.ts';
import { PROJECT } from '../rig/rig.ts';
import { type CheckResult, parseResults } from './check.ts';
import type { VmKernel } from './kernels.ts';

/** Seconds until a machine is switched off; about 150 are needed when it has the host to itself. */
const TIMEOUT = 1800;

export interface VmRun {
  readonly results: ReadonlyMap<string, CheckResult>;
  /** What the machine printed, and how it ended. */
  readonly log: string;
  readonly seconds: number;
}

/** One file for the VM, and the rig's own program: compiling them there would take its time 13-fold. */
export async function prepareVm(): Promise<void> {
  await build({
    entryPoints: [join(PROJECT, 'test', 'vm', 'run-checks.ts')],
    outfile: join(PROJECT, 'build', 'vm', 'run-checks.mjs'),
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'error',
  });
  await run(['make', '-s', '-C', join(PROJECT, 'test', 'rig')], { timeout: 60_000 });
}

/** Runs all checks under this kernel; the results are those that were reported, however the machine ended. */
export async function bootVm(kernel: VmKernel): Promise<VmRun> {
  const start = Date.now();
  const here = join(PROJECT, 'test', 'vm');
  const fetched = await run([join(here, 'fetch-kernel.sh'), kernel], { timeout: 300_000 });
  const file = join(PROJECT, 'build', 'vm', `results-${kernel}.jsonl`);
  writeFileSync(file, '');
  const inside = [process.execPath, join(PROJECT, 'build', 'vm', 'run-checks.mjs')];
  const ended = await run(
    // The machine goes when this process does, even by SIGKILL.
    ['setpriv', '--pdeathsig', 'KILL', join(here, 'boot.sh'), fetched.stdout.trim(), file, '--', ...inside],
    {
      mayFail: true,
      cwd: PROJECT,
      env: { L4LB_PATIENCE: '10', VM_TIMEOUT: `${TIMEOUT}` },
      timeout: (TIMEOUT + 60) * 1000,
    },
  );
  const log = `${ended.stdout}${ended.stderr}the VM ended with status ${ended.code}\n`;
  writeFileSync(join(PROJECT, 'build', 'vm', `log-${kernel}.txt`), log);
  return { results: parseResults(readFileSync(file, 'utf8')), log, seconds: (Date.now() - start) / 1000 };
}
