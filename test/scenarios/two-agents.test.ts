/** Two agents on one machine, each in its own rig: nothing of one reaches the other. */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentCommand, spawnAgent } from '../rig/agent.ts';
import { waitForRoute } from '../rig/bgp.ts';
import { httpLoad } from '../rig/load.ts';
import { withEndpoint, writeService } from '../rig/manifests.ts';
import { VIP, VIP_RANGE } from '../rig/one-armed.ts';
import { CLIENT, fetchVip, LB, type LbRig, standLbRig } from './lb-rig.ts';

let one: LbRig;
let two: LbRig;
beforeAll(async () => {
  one = await standLbRig('one');
  two = await standLbRig('two');
});
afterAll(async () => {
  await one?.rig.destroy();
  await two?.rig.destroy();
});

it('serve the same VIP, each its own clients', async () => {
  const only = (pod: string) => ({
    ...one.services.web,
    endpoints: one.services.web.endpoints.filter((e) => e.pod === pod),
  });
  writeService(one.rig, only('web-1-1'));
  writeService(two.rig, only('web-2-2'));
  for (const [lb, pod] of [
    [one, 'web-1-1'],
    [two, 'web-2-2'],
  ] as const) {
    await lb.agents[0]?.untilServices(
      'one pod',
      (views) => views.find((v) => v.name === 'web')?.backends.length === 1,
    );
    for (let n = 0; n < 5; n++) expect(await fetchVip(lb.rig)).toBe(pod);
  }
});

it('pin their maps in directories of their own', () => {
  const pins = [one, two].map((lb) => readdirSync(lb.rig.bpfDirectory(LB)).sort());
  expect(pins[0]?.length).toBeGreaterThan(0);
  expect(pins[0]).toEqual(pins[1]);
});

it('cannot run twice on the same directories', async () => {
  const second = await spawnAgent(one.rig, LB);
  expect(await second.process.exited()).toBe(5);
});

it('one goes on serving while the other is killed and cleaned up', async () => {
  writeService(two.rig, withEndpoint(two.services.web, 'web-1-1', undefined));
  const load = await httpLoad(two.rig, CLIENT, { host: VIP, port: 80 });
  await load.until('requests flow', (counters) => counters.requests > 100);
  await one.agents[0]?.process.stop('SIGKILL');
  await agentCommand(one.rig, LB, ['cleanup', '--config', one.rig.path(LB, 'agent.yaml')]);
  await waitForRoute(one.rig, VIP_RANGE, []);
  const mark = await load.read();
  await load.until('requests go on', (counters) => counters.requests > mark.requests + 200);
  const total = await load.stop();
  expect(total.failures).toEqual([]);
});
