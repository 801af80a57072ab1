import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServiceView } from '../../src/api/types.ts';
import * as bench from '../scenarios/agent-bench.ts';
import { Allocator } from './allocator.ts';
import { slice } from './api-client.ts';
import { ControlPlane } from './control-plane.ts';
import { balancer, type LiveService } from './service-view.ts';

/** The whole agent gives an address and serves it, and goes on serving whatever becomes of Lease and API server. */

const POOLS = '[{ name: public, addresses: [10.1.0.16-10.1.0.31] }]';

let plane: ControlPlane;
let agent: bench.RunningAgent;
let other: Allocator | undefined;

beforeAll(async () => {
  bench.setUp();
  const inside = ['nsenter', `--net=${bench.namespace}`];
  plane = await ControlPlane.start(join(bench.directory, 'kube'), { inside });
  writeConfig(POOLS);
  agent = bench.run();
});
afterAll(async () => {
  await other?.end('SIGKILL');
  if (agent !== undefined) await bench.end(agent, 'SIGKILL');
  await plane?.stop();
  bench.tearDown();
});

function writeConfig(pools: string): void {
  bench.writeConfig({
    source: `{ kind: kubernetes, kubeconfig: ${plane.adminKubeconfig}, secondLook: 0s }`,
    controller: `{ enabled: true, pools: ${pools}, lease: { namespace: default, name: l4lb, duration: 3s } }`,
  });
}

function apply(...items: readonly unknown[]): void {
  plane.kubectl(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

const addressOf = (name: string): string | undefined => {
  const service = JSON.parse(plane.kubectl(['get', 'service', name, '--output', 'json'])) as LiveService;
  return service.status.loadBalancer.ingress?.[0]?.ip;
};

const frontends = async (): Promise<string[]> =>
  ((await bench.api('GET', '/v1/services')).body as ServiceView[]).map(({ frontend }) => frontend).sort();

const untilFrontends = (...wanted: string[]): Promise<unknown> =>
  bench.until(wanted.join(', '), frontends, (now) => now.join() === wanted.join());

test('a Service without an address gets one and is served, which status and metrics show', async () => {
  apply(balancer('web'), slice('web-1', 'web', ['192.0.2.2']));
  await untilFrontends('10.1.0.16:80/TCP');
  expect(addressOf('web')).toBe('10.1.0.16');
  const view = await bench.untilServing(agent);
  expect(view.controller).toMatchObject({
    leads: true,
    leader: expect.stringMatching(/^lb1_[0-9a-f]{12}$/),
    pools: [{ name: 'public', family: 4, size: 16, used: 1 }],
    waiting: 0,
  });
  const metrics = String((await bench.api('GET', '/metrics')).body);
  expect(metrics).toContain('\nl4lb_controller_leader 1\n');
  expect(metrics).toContain('\nl4lb_controller_pool_addresses{pool="public",family="4"} 16\n');
  expect(metrics).toContain('\nl4lb_controller_pool_addresses_used{pool="public",family="4"} 1\n');
});

test('a pool edit is a reload', async () => {
  writeConfig('[{ name: public, addresses: [10.1.0.40-10.1.0.41] }]');
  expect((await bench.api('POST', '/v1/reload')).body).toMatchObject({
    verdict: 'reload',
    changed: ['controller.pools[].addresses'],
  });
  apply(balancer('next'), slice('next-1', 'next', ['192.0.2.2']));
  await untilFrontends('10.1.0.16:80/TCP', '10.1.0.40:80/TCP');
  await bench.untilStatus(agent, 'the stray address', ({ problems }) =>
    problems.some(({ code, object }) => code === 'outside-pools' && object?.name === 'web'),
  );
  writeConfig(POOLS);
  await bench.api('POST', '/v1/reload');
});

test('Lease and API server lost: what is announced stays, and so do the addresses', async () => {
  const ids = bench.pinnedIds();
  await plane.stop('SIGKILL');
  const view = await bench.untilStatus(agent, 'the loss', ({ controller, problems }) => {
    return controller?.leads === false && problems.some(({ code }) => code === 'lease-unreachable');
  });
  expect(view.vip).toMatchObject({ up: true, announce: 'yes' });
  expect(await frontends()).toEqual(['10.1.0.16:80/TCP', '10.1.0.40:80/TCP']);
  await plane.start();
  await bench.untilStatus(agent, 'it leads again', ({ controller }) => controller?.leads === true);
  expect([addressOf('web'), addressOf('next')]).toEqual(['10.1.0.16', '10.1.0.40']);
  expect(await frontends()).toEqual(['10.1.0.16:80/TCP', '10.1.0.40:80/TCP']);
  expect(bench.pinnedIds()).toEqual(ids);
});

test('the agent is killed: another gives addresses, nothing moves, and the agent comes back behind it', async () => {
  other = new Allocator(plane, 'lb2', { pools: POOLS, inside: plane.place.inside });
  await other.until('it knows the leader', ({ leader }) => leader.holder.startsWith('lb1_'));
  await bench.end(agent, 'SIGKILL');
  await other.untilLeading();
  apply(balancer('last'), slice('last-1', 'last', ['192.0.2.2']));
  await bench.until(
    'an address',
    () => addressOf('last'),
    (address) => address === '10.1.0.17',
  );
  expect([addressOf('web'), addressOf('next')]).toEqual(['10.1.0.16', '10.1.0.40']);
  expect(bench.vipIsUp()).toBe(true);
  agent = bench.run();
  await untilFrontends('10.1.0.16:80/TCP', '10.1.0.17:80/TCP', '10.1.0.40:80/TCP');
  await bench.untilStatus(
    agent,
    'who leads',
    ({ controller }) => controller?.leader.startsWith('lb2_') === true,
  );
  // It leaves at once, and the agent goes on.
  await other.end('SIGTERM');
  await bench.untilStatus(agent, 'it leads', ({ controller }) => controller?.leads === true);
  expect([addressOf('web'), addressOf('next'), addressOf('last')]).toEqual([
    '10.1.0.16',
    '10.1.0.40',
    '10.1.0.17',
  ]);
});
