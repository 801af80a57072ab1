/** `make bench`: measures the packet path and the control plane, and writes a table and a plot. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { referenceLimit } from './limits.ts';
import { loadNow } from './machine.ts';
import { measure } from './measure.ts';
import { isInside, setUpNetwork, startInside } from './namespace.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { describePath, plotSvg } from './plot.ts';
import { ProofError } from './proof.ts';
import type { BenchReport } from './report.ts';
import { reportMarkdown } from './report-table.ts';

const CLUSTER = fileURLToPath(new URL('./kubernetes/scale-kubernetes.ts', import.meta.url));

const say = (line: string) => process.stderr.write(`${line}\n`);

function writeReport(report: BenchReport, out: string): void {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'bench.json'), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(out, 'bench.md'), reportMarkdown(report));
  writeFileSync(join(out, 'bench.svg'), plotSvg(report.results));
  say(`written: bench.json, bench.md and bench.svg in ${out}`);
}

/** The paths that cost more than their limit; goals do not count. */
function overLimit(report: BenchReport): string[] {
  return report.results
    .filter((result) => result.net_ns.median > result.limit_ns)
    .filter((result) => referenceLimit(result.path, result.flows, result.services).kind === 'limit')
    .map((result) => `${describePath(result)}: ${result.net_ns.median} ns, limit ${result.limit_ns} ns`);
}

async function run(options: BenchOptions, loadBefore: number): Promise<number> {
  setUpNetwork();
  const report = await measure(openKernel(), options, loadBefore, say);
  writeReport(report, options.out);
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `\n${reportMarkdown(report)}`);
  const over = overLimit(report);
  for (const line of over) say(`over its limit: ${line}`);
  return options.enforce && over.length > 0 ? 1 : 0;
}

async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = readOptions(args, process.env);
  } catch (error) {
    say(`bench: ${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return 2;
  }
  if (process.getuid?.() !== 0) {
    say('bench: needs root, for BPF and for a network namespace of its own');
    return 2;
  }
  if (!isInside()) {
    // It needs all processors, and a namespace that is not pinned to one.
    const status = options.cluster
      ? startInside([CLUSTER, ...(options.enforce ? ['--enforce'] : [])], false)
      : 0;
    if (options.only.length === 0) return status;
    return startInside([fileURLToPath(import.meta.url), ...args]) || status;
  }
  try {
    return await run(options, loadNow());
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    say(`bench: ${error.message}`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
