/** The command that runs inside the VM: builds the bed, runs the checks, and reports to $VM_RESULTS. */
import { appendFileSync } from 'node:fs';
import { allChecks } from './all-checks.ts';
import { type CheckResult, runChecks } from './check.ts';
import { makeVmBed } from './vm-bed.ts';

const { VM_RESULTS: device = '/dev/stdout', VM_CHECKS: only = '' } = process.env;

function report(result: CheckResult): void {
  appendFileSync(device, `${JSON.stringify(result)}\n`);
  const state = result.error === undefined ? 'passed' : `FAILED\n${result.error}`;
  console.log(`${(result.milliseconds / 1000).toFixed(1).padStart(6)} s  ${result.check}: ${state}`);
}

const start = Date.now();
const bed = await makeVmBed();
console.log(`${((Date.now() - start) / 1000).toFixed(1).padStart(6)} s  bed made`);
await runChecks(
  allChecks.filter(({ name }) => name.includes(only)),
  bed,
  report,
);
console.log(bed.agent.process.output());
// The machine is switched off next: nothing has to be taken down.
process.exit(0);
