/**
 * The cases of Kubernetes' own end-to-end tests (test/e2e/network/loadbalancer.go and service.go) that are
 * about an external load balancer, by their names. Which do not apply, and why: docs/kubernetes.md.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { since } from '../../rig/load/counters.ts';
import { httpLoad, udpSteady } from '../../rig/load.ts';
import { CLIENT, clientAddress } from '../../rig/many-pods.ts';
import { service } from '../api-client.ts';
import { balancer } from '../service-view.ts';
import { Cluster } from './cluster.ts';
import { POD_PORT } from './cluster-pods.ts';
import { replacePods } from './rolling.ts';

const UDP_PORT = { name: 'udp', port: 80, protocol: 'UDP', targetPort: POD_PORT };
const TCP_PORT = { name: 'http', port: 80, protocol: 'TCP', targetPort: POD_PORT };
/** curl's exit status. */
const REFUSED = 7;
const TIMED_OUT = 28;

/** What externalTrafficPolicy asks for beyond all endpoints: the client's address, which a DSR mode keeps. */
const POLICIES = [
  ['Cluster', {}],
  ['Local', { 'l4lb.io/mode': 'ipip' }],
] as const;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create('upstream', async (made) => {
    made.apply(service('web', '10.1.0.2', { selector: { app: 'web' } }));
    await made.pods.start('web', 3);
  });
});
afterAll(() => cluster?.destroy());

/** A Service of type LoadBalancer in front of the app's pods: its address when they get connections. */
async function serve(
  name: string,
  app: string,
  spec: Readonly<Record<string, unknown>> = {},
  annotations: Readonly<Record<string, string>> = {},
): Promise<string> {
  cluster.apply(balancer(name, { spec: { selector: { app }, ...spec }, annotations }));
  const vip = await cluster.addressOf(name);
  await cluster.untilActive(name, cluster.pods.of(app));
  return vip;
}

const remove = (name: string): string => cluster.plane.kubectl(['delete', 'service', name]);

describe('should be able to change the type and ports of a', () => {
  test.each([
    ['TCP', TCP_PORT],
    ['UDP', UDP_PORT],
  ])('%s service', async (protocol, port) => {
    const name = `changing-${protocol.toLowerCase()}`;
    const ask = async (vip: string, at: number): Promise<string> => {
      if (protocol === 'UDP') return cluster.datagram(vip, at);
      const { code, stdout } = await cluster.curl(vip, { port: at });
      return code === 0 ? stdout.trim() : `curl ends with ${code}`;
    };
    const refused = protocol === 'UDP' ? /refused/ : new RegExp(`with ${REFUSED}$`);
    const silent = protocol === 'UDP' ? 'no answer' : `curl ends with ${TIMED_OUT}`;
    cluster.apply({
      ...balancer(name),
      spec: { type: 'ClusterIP', selector: { app: 'web' }, ports: [port] },
    });
    cluster.patch(name, {
      spec: {
        type: 'LoadBalancer',
        loadBalancerClass: 'l4lb.io/lb',
        allocateLoadBalancerNodePorts: false,
      },
    });
    const vip = await cluster.addressOf(name);
    await cluster.untilActive(name, cluster.pods.of('web'));
    expect(await ask(vip, 80)).toMatch(/^web-/);

    cluster.patch(name, { spec: { ports: [{ ...port, port: 81 }] } });
    await cluster.untilServed(name, 'port 81', (all) => all.map((each) => each.port).join() === '81');
    expect(await ask(vip, 81)).toMatch(/^web-/);
    expect(await ask(vip, 80)).toMatch(refused);

    cluster.patch(name, {
      spec: { type: 'ClusterIP', loadBalancerClass: null, allocateLoadBalancerNodePorts: null },
    });
    await cluster.untilServed(name, 'nothing', (all) => all.length === 0);
    expect(await ask(vip, 81)).toBe(silent);
    remove(name);
  });
});

test('should serve endpoints on same port and different protocols', async () => {
  const vip = await serve('both', 'web', { ports: [TCP_PORT, UDP_PORT] });
  expect([(await cluster.curl(vip)).stdout, await cluster.datagram(vip)]).toEqual([
    expect.stringMatching(/^web-/),
    expect.stringMatching(/^web-/),
  ]);
  cluster.patch('both', { spec: { ports: [UDP_PORT] } });
  await cluster.untilServed('both', 'UDP', (all) => all.map(({ protocol }) => protocol).join() === 'UDP');
  expect((await cluster.curl(vip)).code).toBe(REFUSED);
  expect(await cluster.datagram(vip)).toMatch(/^web-/);
  remove('both');
});

describe('should be rejected', () => {
  test('when no endpoints exist', async () => {
    const vip = await serve('empty', 'nobody', { ports: [TCP_PORT, UDP_PORT] });
    expect((await cluster.curl(vip)).code).toBe(REFUSED);
    expect(await cluster.datagram(vip)).toMatch(/refused/);
    remove('empty');
  });

  test('for evicted pods (no endpoints exist)', async () => {
    const pods = await cluster.pods.start('evicted', 1);
    const vip = await serve('evicted', 'evicted');
    expect((await cluster.curl(vip)).code).toBe(0);
    cluster.pods.set(pods, 'failed');
    await cluster.untilActive('evicted', []);
    expect((await cluster.curl(vip)).code).toBe(REFUSED);
    remove('evicted');
  });
});

test('should only allow access from service loadbalancer source ranges', async () => {
  const [one, other] = [clientAddress(0), clientAddress(1)];
  const vip = await serve('ranges', 'web', { loadBalancerSourceRanges: [`${one}/32`] });
  const mayCome = async (): Promise<boolean[]> =>
    Promise.all([one, other].map(async (from) => (await cluster.curl(vip, { from })).code === 0));
  const change = async (ranges: readonly string[] | null): Promise<void> => {
    cluster.patch('ranges', { spec: { loadBalancerSourceRanges: ranges } });
    await cluster.untilServed(
      'ranges',
      `ranges ${ranges}`,
      ([frontend]) => (frontend?.sourceRanges ?? []).join() === (ranges ?? []).join(),
    );
  };
  await cluster.untilServed('ranges', 'ranges', ([frontend]) => frontend?.sourceRanges?.length === 1);
  expect(await mayCome()).toEqual([true, false]);
  await change([`${other}/32`]);
  expect(await mayCome()).toEqual([false, true]);
  await change(null);
  expect(await mayCome()).toEqual([true, true]);
  remove('ranges');
});

describe('should have session affinity work, and be able to switch it, for LoadBalancer service with', () => {
  test.each(POLICIES)('%s traffic policy', async (policy, annotations) => {
    const name = `sticky-${policy.toLowerCase()}`;
    const spec = { externalTrafficPolicy: policy, sessionAffinity: 'ClientIP' };
    const vip = await serve(name, 'web', spec, annotations);
    const switchTo = async (sessionAffinity: string): Promise<void> => {
      cluster.patch(name, { spec: { sessionAffinity } });
      const wanted = sessionAffinity === 'None' ? undefined : sessionAffinity;
      await cluster.untilServed(name, sessionAffinity, ([frontend]) => frontend?.affinity === wanted);
    };
    const clients = [0, 1, 2, 3, 4, 5].map(clientAddress);
    const eachAlone = (): Promise<string[][]> =>
      Promise.all(clients.map((from) => cluster.podsThatAnswer(vip, { from, connections: 8 })));
    const held = await eachAlone();
    expect(held.map((pods) => pods.length)).toEqual(clients.map(() => 1));
    expect(new Set(held.flat()).size).toBeGreaterThan(1);
    await switchTo('None');
    expect(await cluster.podsThatAnswer(vip)).toHaveLength(3);
    await switchTo('ClientIP');
    expect(await eachAlone()).toEqual(held);
    remove(name);
  });
});

describe('should be able to preserve UDP traffic when server pod cycles for a LoadBalancer service', () => {
  test.each(POLICIES)('with %s traffic policy', async (policy, annotations) => {
    const app = `udp-${policy.toLowerCase()}`;
    const [first] = await cluster.pods.start(app, 1);
    if (first === undefined) throw new Error('no pod');
    const vip = await serve(app, app, { ports: [UDP_PORT], externalTrafficPolicy: policy }, annotations);
    const flow = await udpSteady(cluster.rig, CLIENT, { host: vip, port: 80 });
    await flow.until('answers of the first pod', ({ answers }) => (answers[first.name] ?? 0) > 10);
    await replacePods(cluster, app, [first], 1);
    const [second] = cluster.pods.of(app);
    const name = second?.name ?? '';
    const gone = await flow.read();
    await flow.until(
      'answers of the second pod',
      ({ answers }) => (answers[name] ?? 0) > (gone.answers[name] ?? 0) + 10,
    );
    const between = since(gone, await flow.stop());
    expect(Object.keys(between.answers)).toEqual([name]);
    remove(app);
  });

  test('without an overlap: the second begins when the first is gone', async () => {
    const [first] = await cluster.pods.start('udp-gap', 1);
    if (first === undefined) throw new Error('no pod');
    const vip = await serve('udp-gap', 'udp-gap', { ports: [UDP_PORT] });
    const flow = await udpSteady(cluster.rig, CLIENT, { host: vip, port: 80 });
    await flow.until('answers of the first pod', ({ answers }) => (answers[first.name] ?? 0) > 10);
    cluster.pods.beginTermination([first]);
    await cluster.pods.endTermination([first]);
    await cluster.untilActive('udp-gap', []);
    const [second] = await cluster.pods.start('udp-gap', 1);
    await flow.until('answers of the second pod', ({ answers }) => (answers[second?.name ?? ''] ?? 0) > 10);
    await flow.stop();
    remove('udp-gap');
  });
});

describe('should not have connectivity disruption during rolling update with', () => {
  test.each(POLICIES)('externalTrafficPolicy=%s', async (policy, annotations) => {
    const app = `rolling-${policy.toLowerCase()}`;
    const old = await cluster.pods.start(app, 3);
    const vip = await serve(app, app, { externalTrafficPolicy: policy }, annotations);
    const settings = { host: vip, port: 80 };
    const loads = [
      await httpLoad(cluster.rig, CLIENT, settings),
      await httpLoad(cluster.rig, CLIENT, { ...settings, keepAlive: true }),
    ];
    for (const load of loads) await load.until('requests', ({ requests }) => requests > 50);
    for (const pod of old) await replacePods(cluster, app, [pod], 1);
    for (const load of loads) {
      const { requests } = await load.read();
      await load.until('requests to the new pods', (now) => now.requests > requests + 50);
    }
    const ends = await Promise.all(loads.map((load) => load.stop()));
    const failures = ends.flatMap((end) => end.failures);
    console.log(
      `${policy}: ${failures.length} failed of ${ends.map(({ requests }) => requests).join(' + ')}`,
    );
    expect(failures).toEqual([]);
    remove(app);
  });
});

test('should work for type=LoadBalancer with externalTrafficPolicy=Local: pods see the client', async () => {
  const vip = await serve('local', 'web', { externalTrafficPolicy: 'Local' }, { 'l4lb.io/mode': 'ipip' });
  for (const from of [clientAddress(0), clientAddress(1)]) {
    expect((await cluster.curl(vip, { path: '/from', from })).stdout.trim()).toBe(from);
  }
  remove('local');
});

test('should handle updates to ExternalTrafficPolicy field', async () => {
  const vip = await serve('policy', 'web');
  const seen = async (): Promise<string> => (await cluster.curl(vip, { path: '/from' })).stdout.trim();
  expect(await seen()).toMatch(/^10\.50\.1\.[0-3]$/);
  const load = await httpLoad(cluster.rig, CLIENT, { host: vip, port: 80 });
  const served = async (): Promise<void> => {
    const { requests } = await load.read();
    await load.until('requests', (now) => now.requests > requests + 50);
  };
  await served();
  for (const policy of ['Local', 'Cluster']) {
    cluster.patch('policy', { spec: { externalTrafficPolicy: policy } });
    // What mode snat cannot do is said on the Service, and it goes on.
    await cluster.untilProblem('policy', 'external-traffic-policy', policy === 'Local');
    await served();
  }
  const { failures } = await load.stop();
  expect(failures).toEqual([]);
  cluster.patch('policy', {
    spec: { externalTrafficPolicy: 'Local' },
    metadata: { annotations: { 'l4lb.io/mode': 'ipip' } },
  });
  await cluster.untilServed('policy', 'mode ipip', ([frontend]) => frontend?.mode === 'ipip');
  expect(await seen()).toBe('10.10.1.2');
  cluster.patch('policy', {
    spec: { externalTrafficPolicy: 'Cluster' },
    metadata: { annotations: { 'l4lb.io/mode': null } },
  });
  await cluster.untilServed('policy', 'mode snat', ([frontend]) => frontend?.mode === 'snat');
  expect(await seen()).toMatch(/^10\.50\.1\.[0-3]$/);
  remove('policy');
});

describe('should fallback to terminating endpoints when there are no ready endpoints with', () => {
  test.each(POLICIES)('externalTrafficPolicy=%s', async (policy, annotations) => {
    const app = `last-${policy.toLowerCase()}`;
    const pods = await cluster.pods.start(app, 1);
    const vip = await serve(app, app, { externalTrafficPolicy: policy }, annotations);
    cluster.pods.beginTermination(pods);
    await cluster.untilServed(app, 'a terminating pod', ([frontend]) => {
      const [only] = frontend?.backends ?? [];
      return only?.state === 'active' && only.reason === 'serving while terminating';
    });
    expect(await cluster.podsThatAnswer(vip, { connections: 5 })).toEqual(pods.map(({ name }) => name));
    await cluster.pods.endTermination(pods);
    await cluster.untilActive(app, []);
    expect((await cluster.curl(vip)).code).toBe(REFUSED);
    remove(app);
  });
});

describe('terminating and unready endpoints if PublishNotReadyAddresses is', () => {
  test.each([
    [true, 'should be able to connect'],
    [false, 'should not be able to connect'],
  ])('%s: %s', async (publishNotReadyAddresses) => {
    const app = `unready-${publishNotReadyAddresses}`;
    const pods = await cluster.pods.start(app, 1, 'unready');
    cluster.apply(balancer(app, { spec: { selector: { app }, publishNotReadyAddresses } }));
    const vip = await cluster.addressOf(app);
    const reached = publishNotReadyAddresses ? pods : [];
    await cluster.untilActive(app, reached);
    expect((await cluster.curl(vip)).code).toBe(publishNotReadyAddresses ? 0 : REFUSED);
    cluster.pods.beginTermination(pods);
    await cluster.untilServed(app, 'a terminating pod', ([frontend]) => frontend?.backends.length === 1);
    expect((await cluster.curl(vip)).code).toBe(publishNotReadyAddresses ? 0 : REFUSED);
    await cluster.pods.endTermination(pods);
    remove(app);
  });
});
