/** `make bench-scale`: what a large cluster costs the agent, on a real API server. Writes scale.json. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openKernel } from '../../../src/kernel/libbpf.ts';
import { isInside, setUpNetwork, startInside } from '../namespace.ts';
import { measureCluster } from './measure-cluster.ts';

const LARGE = { services: 10_000, slices: 5, endpoints: 2, pods: 40_000 };
const SMALL = { services: 500, slices: 5, endpoints: 2, pods: 2_000 };

async function run(): Promise<void> {
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
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'scale.json'), `${JSON.stringify(result, null, 2)}\n`);
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  } finally {
    if (process.env.KEEP !== '1') rmSync(directory, { recursive: true, force: true });
  }
}

if (isInside()) {
  await run();
  process.exit();
} else process.exitCode = startInside([fileURLToPath(import.meta.url)], false);
