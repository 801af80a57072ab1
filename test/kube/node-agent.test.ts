import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServiceView } from '../../src/api/types.ts';
import * as bench from '../scenarios/agent-bench.ts';
import { service, slice } from './api-client.ts';
import { ControlPlane } from './control-plane.ts';

/** The agent of a worker on a real API server: which pods it ends tunnels for, and what an outage leaves. */

const WORKER = 'worker-1';
const FRONTEND = '10.1.0.2:80/TCP';

let plane: ControlPlane;
let agent: bench.RunningAgent;

beforeAll(async () => {
  bench.setUp();
  const inside = ['nsenter', `--net=${bench.namespace}`];
  plane = await ControlPlane.start(join(bench.directory, 'kube'), { inside });
  bench.writeConfig({
    role: 'node',
    node: WORKER,
    source: `{ kind: kubernetes, kubeconfig: ${plane.adminKubeconfig}, secondLook: 1s }`,
    vips: '{ ranges: [10.1.0.0/24] }',
    tunnel: '{ sources: [192.0.2.0/24] }',
    snat: undefined,
    limits: undefined,
  });
  apply(service('web', '10.1.0.2'), placed([WORKER, '10.9.0.7'], ['worker-2', '10.9.1.7']));
  agent = bench.run();
});
afterAll(async () => {
  if (agent !== undefined) await bench.end(agent, 'SIGKILL');
  await plane?.stop();
  bench.tearDown();
});

function apply(...items: readonly unknown[]): void {
  plane.kubectl(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

/** The slice of web with endpoints on nodes. */
function placed(...pods: ReadonlyArray<readonly [nodeName: string, address: string]>): unknown {
  const endpoints = pods.map(([nodeName, address]) => ({
    addresses: [address],
    nodeName,
    conditions: { ready: true },
  }));
  return { ...slice('web-1', 'web', []), endpoints };
}

async function pods(): Promise<string[]> {
  const views = (await bench.api('GET', '/v1/services')).body as ServiceView[];
  return views.flatMap(({ frontend, backends }) =>
    backends.map(({ address, port }) => `${frontend} ${address}:${port}`),
  );
}

const untilPods = (...wanted: string[]): Promise<unknown> =>
  bench.until(wanted.join(', '), pods, (now) => now.sort().join() === wanted.sort().join());

test('pods of this worker become targets, those of others do not', async () => {
  await untilPods(`${FRONTEND} 10.9.0.7:8080`);
  apply(placed([WORKER, '10.9.0.7'], [WORKER, '10.9.0.8'], ['worker-2', '10.9.1.7']));
  await untilPods(`${FRONTEND} 10.9.0.7:8080`, `${FRONTEND} 10.9.0.8:8080`);
  const { source, health, problems } = await bench.status();
  expect(source).toMatchObject({ kind: 'kubernetes', location: plane.adminKubeconfig, synced: true });
  expect([health, problems]).toEqual(['ok', []]);
});

test('an outage leaves the targets, shows in the status, and ends by itself', async () => {
  await plane.stop('SIGKILL');
  const told = await bench.untilStatus(agent, 'the outage', (view) => view.problems.length === 2);
  expect(told.problems.map(({ code }) => code)).toEqual(['source-unreachable', 'source-unreachable']);
  expect((await pods()).sort()).toEqual([`${FRONTEND} 10.9.0.7:8080`, `${FRONTEND} 10.9.0.8:8080`]);
  await plane.start();
  apply(placed([WORKER, '10.9.0.9']));
  await untilPods(`${FRONTEND} 10.9.0.9:8080`);
  await bench.untilStatus(agent, 'no problems', (view) => view.health === 'ok' && view.problems.length === 0);
});
