/** The example that every load balancer for Kubernetes begins with: a Service with an external IP. Under load. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RequestCounters } from '../../rig/load/counters.ts';
import { httpLoad, type Load } from '../../rig/load.ts';
import { CLIENT } from '../../rig/many-pods.ts';
import { Cluster } from './cluster.ts';
import type { ClusterPod } from './cluster-pods.ts';
import { replacePods } from './rolling.ts';

const VIP = '10.1.0.2';
const EXAMPLE = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  externalIPs: [${VIP}]
  ports: [{ name: http, port: 80, targetPort: http }]
`;

let cluster: Cluster;
let loads: Array<Load<RequestCounters>> = [];

beforeAll(async () => {
  cluster = await Cluster.create('example', async ({ plane, pods }) => {
    plane.kubectl(['apply', '-f', '-'], EXAMPLE);
    await pods.start('web', 3);
  });
  await cluster.untilActive('web', cluster.pods.of('web'));
});
afterAll(() => cluster?.destroy());

beforeEach(async () => {
  const settings = { host: VIP, port: 80 };
  loads = await Promise.all([
    httpLoad(cluster.rig, CLIENT, settings),
    httpLoad(cluster.rig, CLIENT, { ...settings, keepAlive: true, loops: 8 }),
  ]);
  await untilAnswered(cluster.pods.of('web'));
});
/** Of all that was asked in the test. */
afterEach(async ({ task }) => {
  const ends = await Promise.all(loads.map((load) => load.stop()));
  const [fresh = 0, ...more] = ends.map(({ requests }) => requests);
  const kept = more.reduce((sum, requests) => sum + requests, 0);
  const failures = ends.flatMap((end) => end.failures);
  console.log(`${task.name}: ${failures.length} failed of ${fresh} on new and ${kept} on kept connections`);
  expect(failures).toEqual([]);
});

/** Requests go on, and new connections have reached every one of these. */
async function untilAnswered(pods: readonly ClusterPod[]): Promise<void> {
  const [fresh, kept] = loads;
  const before = await fresh?.read();
  const has = ({ answers }: RequestCounters, name: string) =>
    (answers[name] ?? 0) > (before?.answers[name] ?? 0);
  await fresh?.until('answers of every pod', (now) => pods.every(({ name }) => has(now, name)));
  const { requests = 0 } = (await kept?.read()) ?? {};
  await kept?.until('requests on kept connections', (now) => now.requests > requests + 100);
}

test('what kubectl applies is served by all of its pods', async () => {
  expect(await cluster.podsThatAnswer(VIP)).toEqual(['web-0', 'web-1', 'web-2']);
});

test('scaled to ten pods, no request fails', async () => {
  await cluster.pods.start('web', 7);
  await cluster.untilActive('web', cluster.pods.of('web'));
  await untilAnswered(cluster.pods.of('web'));
});

test('all ten pods replaced in a rolling update, no request fails', async () => {
  const old = cluster.pods.of('web');
  expect(old).toHaveLength(10);
  for (const pod of old) await replacePods(cluster, 'web', [pod], 1);
  const now = cluster.pods.of('web');
  expect(now.filter((pod) => old.includes(pod))).toEqual([]);
  expect(now).toHaveLength(10);
  await untilAnswered(now);
});

test('scaled back to three pods, no request fails', async () => {
  const pods = cluster.pods.of('web');
  const leaving = pods.slice(3);
  // Kept connections with the pods that go.
  const wide = await httpLoad(cluster.rig, CLIENT, { host: VIP, port: 80, keepAlive: true, loops: 20 });
  loads.push(wide);
  const names = leaving.map(({ name }) => name);
  await wide.until('answers of pods that will go', ({ answers }) => names.some((name) => name in answers));
  await replacePods(cluster, 'web', leaving, 0);
  await untilAnswered(cluster.pods.of('web'));
  expect(await cluster.podsThatAnswer(VIP)).toEqual(pods.slice(0, 3).map(({ name }) => name));
});

test('readiness that flaps, no request fails', async () => {
  const [flapping, ...others] = cluster.pods.of('web');
  if (flapping === undefined) throw new Error('no pod');
  for (let n = 0; n < 3; n++) {
    cluster.pods.set([flapping], 'unready');
    await cluster.untilActive('web', others);
    await untilAnswered(others);
    cluster.pods.set([flapping], 'ready');
    await cluster.untilActive('web', [flapping, ...others]);
    await untilAnswered([flapping, ...others]);
  }
});
