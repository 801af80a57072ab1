/** The machine as it is told in the report. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { MachineReport } from './report.ts';
import { tenth } from './statistics.ts';

export function loadNow(): number {
  return tenth(loadavg()[0] ?? 0);
}

/** The model that the kernel names; where it names none, the architecture. */
function cpuModel(): string {
  const named = /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
  return named ?? process.arch;
}

export function describeMachine(
  run: Pick<MachineReport, 'pinnedCpu' | 'loadBefore' | 'rounds' | 'quick' | 'leftOut' | 'slowest'>,
): MachineReport {
  return {
    cpu: cpuModel(),
    cpus: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
    ...run,
    loadAfter: loadNow(),
  };
}
