/** What a user writes wrong is told, and costs no traffic. */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { httpLoad } from '../rig/load.ts';
import {
  manifestDirectory,
  removeManifest,
  serviceManifest,
  writeManifest,
  writeService,
} from '../rig/manifests.ts';
import { VIP } from '../rig/one-armed.ts';
import { waitFor } from '../rig/wait.ts';
import { CLIENT, fetchVip, type LbRig, standLbRig } from './lb-rig.ts';

let lb: LbRig;
beforeAll(async () => {
  lb = await standLbRig('wrong');
});
afterAll(() => lb?.rig.destroy());
afterEach(async () => {
  if (lb === undefined) return;
  writeService(lb.rig, lb.services.web);
  await untilProblems((codes) => codes.length === 0);
});

async function untilProblems(test: (codes: string[]) => boolean): Promise<string[]> {
  return waitFor(
    'the problems are told',
    async () => {
      const codes = (await lb.agents[0]?.status())?.problems.map((problem) => problem.code) ?? [];
      return test(codes) ? codes : undefined;
    },
    { evidence: async () => JSON.stringify(await lb.agents[0]?.status(), null, 2) },
  );
}

/** Runs requests while `change` is made and told of. */
async function underLoad(change: () => Promise<void>): Promise<void> {
  const load = await httpLoad(lb.rig, CLIENT, { host: VIP, port: 80 });
  await load.until('requests flow', (counters) => counters.requests > 100);
  await change();
  const mark = await load.read();
  await load.until('requests go on', (counters) => counters.requests > mark.requests + 200);
  const total = await load.stop();
  expect(total.failures).toEqual([]);
}

it('keeps a service whose file no longer parses', async () => {
  await underLoad(async () => {
    writeManifest(lb.rig, 'web', `${serviceManifest(lb.services.web)}\n  - [unbalanced\n: : :`);
    await untilProblems((codes) => codes.length > 0);
  });
  const [problem] = (await lb.agents[0]?.status())?.problems ?? [];
  expect(problem).toMatchObject({ severity: 'error', file: join(manifestDirectory(lb.rig), 'web.yaml') });
});

it('keeps a service whose slice became nonsense', async () => {
  await underLoad(async () => {
    const text = serviceManifest({ ...lb.services.web, endpoints: [] }).replace(
      'endpoints: []',
      'endpoints: 7',
    );
    writeManifest(lb.rig, 'web', text);
    await untilProblems((codes) => codes.length > 0);
  });
});

it('serves the rest of a file tree in which one Service asks for a VIP outside the ranges', async () => {
  await underLoad(async () => {
    writeService(lb.rig, { ...lb.services.web, name: 'stray', vip: '192.0.2.1' });
    await untilProblems((codes) => codes.includes('address-outside-ranges'));
  });
  removeManifest(lb.rig, 'stray');
});

it('believes a directory that vanished only after a second look', async () => {
  const directory = manifestDirectory(lb.rig);
  await underLoad(async () => {
    renameSync(directory, `${directory}.away`);
    await untilProblems((codes) => codes.length > 0);
    mkdirSync(directory);
    for (const name of readdirSync(`${directory}.away`))
      renameSync(join(`${directory}.away`, name), join(directory, name));
    rmSync(`${directory}.away`, { recursive: true });
    await untilProblems((codes) => codes.length === 0);
  });
  expect(await fetchVip(lb.rig)).toMatch(/^web-/);
});
