/** `make bench-scale`: what a large cluster costs the agent, on a real API server. Writes scale.json and scale.md. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openKernel } from '../../../src/kernel/libbpf.ts';
import { loadNow } from '../machine.ts';
import { isInside, setUpNetwork, startInside } from '../namespace.ts';
import { table } from '../report-table.ts';
import { clusterFigures } from './cluster-report.ts';
import { measureCluster } from './measure-cluster.ts';

const LARGE = { services: 10_000, slices: 5, endpoints: 2, pods: 40_000 };
const SMALL = { services: 500, slices: 5, endpoints: 2, pods: 2_000 };

/** Whether every figure is within its limit. */
async function run(): Promise<boolean> {
  const loadBefore = loadNow();
  const quick = !['', '0', undefined].includes(process.env.QUICK);
  const out = process.env.OUT || 'bench-results';
  setUpNetwork();
  const directory = mkdtempSync(join(tmpdir(), 'l4lb-scale-'));
  try {
    const result = await measureCluster(openKernel(), {
      size: quick ? SMALL : LARGE,
      quick,
      directory,
      keep: process.env.CLUSTER || undefined,
      say: (line) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`),
    });
    const figures = clusterFigures(result);
    const text = table(
      [`${result.services} Services, ${result.services * result.slices} EndpointSlices`, '', 'limit', ''],
      figures.map(({ what, value, limit, within }) => [
        what,
        value,
        limit,
        limit && (within ? 'within' : 'over'),
      ]),
    );
    const head = `Load average ${loadBefore} before, ${loadNow()} after.`;
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'scale.json'), `${JSON.stringify(result, null, 2)}\n`);
    writeFileSync(join(out, 'scale.md'), `${head}\n\n${text}\n`);
    process.stdout.write(`\n${head}\n\n${text}\n`);
    return figures.every(({ within }) => within);
  } finally {
    if (process.env.KEEP !== '1') rmSync(directory, { recursive: true, force: true });
  }
}

const args = process.argv.slice(2);
if (isInside()) {
  const isWithin = await run();
  process.exitCode = !isWithin && args.includes('--enforce') ? 1 : 0;
} else process.exitCode = startInside([fileURLToPath(import.meta.url), ...args], false);
