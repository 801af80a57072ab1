/** DSR to pods of workers that run the node program: it loads, ends both kinds of tunnel, and turns answers back. */
import assert from 'node:assert/strict';
import { addressPlan } from '../../rig/one-armed.ts';
import { ZONE } from '../../rig/server-configs.ts';
import type { Check, Facts } from '../check.ts';
import { MEGABYTE } from '../client.ts';
import { CLIENT, firstWay, leadThrough, type VmBed } from '../vm-bed.ts';
import { podBehind, TUNNELLED, type TunnelledService, WORKERS } from '../workers.ts';
import { verifiedBy } from './programs.ts';

export const workerChecks: ReadonlyArray<Check<VmBed>> = [
  { name: 'programs: workers load and attach theirs', run: loaded },
  ...TUNNELLED.map((service) => ({
    name: `${service.worker.attach}: pods of a worker serve by ${service.mode} and see the client`,
    run: (bed: VmBed) => served(bed, service),
  })),
];

async function loaded({ workers }: VmBed): Promise<Facts> {
  const facts: Record<string, number> = {};
  for (const [at, agent] of workers.entries()) {
    const verified = verifiedBy(agent);
    assert.deepEqual(Object.keys(verified).sort(), [`node_in_${WORKERS[at]?.attach}`, 'node_out']);
    Object.assign(facts, verified);
    const { devices } = await agent.status();
    assert.deepEqual(
      devices.map(({ attached }) => attached),
      [true],
    );
  }
  return facts;
}

async function served({ rig }: VmBed, service: TunnelledService): Promise<undefined> {
  await leadThrough(rig, firstWay());
  const { vip } = service;
  const web = podBehind(rig, service, 'web').name;
  const curl = (path: string): string[] => ['curl', '-sS', '-f', '-m', '100', `http://${vip}${path}`];
  const ask = async (path: string): Promise<string> =>
    (await rig.exec(CLIENT, curl(path), { timeout: 20_000 })).stdout.trim();
  assert.equal(await ask('/'), web);
  assert.equal((await ask('/from')).replace(/:\d+$/, ''), addressPlan.client(1));
  const fetch = `${curl('/files/megabyte').join(' ')} | sha256sum`;
  const { stdout } = await rig.exec(CLIENT, ['sh', '-c', fetch], { timeout: 30_000 });
  assert.equal(stdout.split(' ')[0], MEGABYTE);
  const query = ['dig', '+short', '+tries=3', '+time=5', `@${vip}`, `pod.${ZONE}`, 'TXT'];
  const answer = await rig.exec(CLIENT, query, { timeout: 20_000 });
  assert.equal(answer.stdout.trim(), `"${podBehind(rig, service, 'dns').name}"`);
  return undefined;
}
