import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServiceView } from '../../src/api/types.ts';
import * as bench from '../scenarios/agent-bench.ts';
import { service, slice } from './api-client.ts';
import { ControlPlane } from './control-plane.ts';

/** The agent on a real API server, in the same namespace: what reaches the maps, and what an outage leaves there. */

let plane: ControlPlane;
let agent: bench.RunningAgent;

beforeAll(async () => {
  bench.setUp();
  const inside = ['nsenter', `--net=${bench.namespace}`];
  plane = await ControlPlane.start(join(bench.directory, 'kube'), { inside });
  const source = `{ kind: kubernetes, kubeconfig: ${plane.adminKubeconfig}, secondLook: 1s }`;
  bench.writeConfig({ source });
  apply(service('web', '10.1.0.2'), slice('web-1', 'web', ['192.0.2.2', '10.9.0.7']));
  agent = bench.run();
  await bench.untilServing(agent);
});
afterAll(async () => {
  if (agent !== undefined) await bench.end(agent, 'SIGKILL');
  await plane?.stop();
  bench.tearDown();
});

function apply(...items: readonly unknown[]): void {
  const list = { apiVersion: 'v1', kind: 'List', items };
  plane.kubectl(['apply', '--filename', '-'], JSON.stringify(list));
}

async function backends(): Promise<string[]> {
  const views = (await bench.api('GET', '/v1/services')).body as ServiceView[];
  return views.flatMap((view) =>
    view.backends
      .filter(({ state }) => state === 'active')
      .map(({ address, port }) => `${view.frontend} ${address}:${port}`),
  );
}

const untilBackends = (...wanted: string[]): Promise<unknown> =>
  bench.until(wanted.join(', '), backends, (now) => now.sort().join() === wanted.sort().join());

test('what kubectl applies is served', async () => {
  await untilBackends('10.1.0.2:80/TCP 192.0.2.2:8080', '10.1.0.2:80/TCP 10.9.0.7:8080');
  apply(slice('web-1', 'web', ['192.0.2.2']));
  await untilBackends('10.1.0.2:80/TCP 192.0.2.2:8080');
  const { source, health } = await bench.status();
  expect(source).toMatchObject({ kind: 'kubernetes', location: plane.adminKubeconfig, synced: true });
  expect(source.watches?.map(({ kind, connected }) => [kind, connected])).toEqual([
    ['Service', true],
    ['EndpointSlice', true],
  ]);
  expect(health).toBe('ok');
});

test('an outage changes nothing in the maps, shows in status and metrics, and ends by itself', async () => {
  const ids = bench.pinnedIds();
  await plane.stop('SIGKILL');
  const told = await bench.untilStatus(agent, 'the outage', (view) => view.problems.length === 2);
  expect(told.problems.map(({ code }) => code)).toEqual(['source-unreachable', 'source-unreachable']);
  expect(told.vip).toMatchObject({ up: true, announce: 'yes' });
  expect(told.source.watches?.every(({ connected, errors }) => !connected && errors > 0)).toBe(true);
  const metrics = String((await bench.api('GET', '/metrics')).body);
  expect(metrics).toContain('\nl4lb_source_connected{kind="EndpointSlice"} 0\n');
  expect(metrics).toContain('\nl4lb_source_synced 1\n');
  expect(await backends()).toEqual(['10.1.0.2:80/TCP 192.0.2.2:8080']);
  expect(bench.pinnedIds()).toEqual(ids);
  await plane.start();
  apply(slice('web-1', 'web', ['10.9.0.8']));
  await untilBackends('10.1.0.2:80/TCP 10.9.0.8:8080');
  await bench.untilStatus(agent, 'no problems', (view) => view.health === 'ok' && view.problems.length === 0);
});

test('an agent that starts during an outage leaves maps and announcement as they were', async () => {
  await plane.stop('SIGKILL');
  await bench.end(agent, 'SIGKILL');
  agent = bench.run();
  const view = await bench.untilStatus(agent, 'the reason', ({ problems }) => problems.length === 2);
  expect(view.source.synced).toBe(false);
  expect(view.health).toMatch(
    /^the source has not given a complete list yet: the API server of .* refuses the connection/,
  );
  expect(bench.vipIsUp()).toBe(true);
  expect(await backends()).toEqual(['10.1.0.2:80/TCP 10.9.0.8:8080']);
  await plane.start();
  await bench.untilServing(agent);
  await bench.untilStatus(agent, 'ok', ({ health }) => health === 'ok');
  expect(await backends()).toEqual(['10.1.0.2:80/TCP 10.9.0.8:8080']);
});
