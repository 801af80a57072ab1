/** Node ports as backends, by real traffic to a cluster whose pod network is not routed. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpLoad } from '../../rig/load.ts';
import { CLIENT, NodePortCluster, WORKERS } from './node-port-rig.ts';

const NODE_PORT = 30_080;
const BOTH = ['worker1', 'worker2'] as const;
/** curl's exit status. */
const REFUSED = 7;

let cluster: NodePortCluster;
beforeAll(async () => {
  cluster = await NodePortCluster.create('nodeport');
});
afterAll(() => cluster?.destroy());

/** Without a selector: its slice is made here. */
function put(
  name: string,
  vip: string,
  spec: Readonly<Record<string, unknown>> = {},
  nodePort = NODE_PORT,
): void {
  const ports = ['TCP', 'UDP'].map((protocol) => {
    return { name: protocol.toLowerCase(), port: 80, protocol, targetPort: 8080, nodePort };
  });
  cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { type: 'NodePort', externalIPs: [vip], ports, ...spec },
  });
}

const remove = (name: string): string => cluster.plane.kubectl(['delete', 'service,endpointslice', name]);

test('kube-proxy on the nodes takes them on, whichever node they come to', async () => {
  const { rig } = cluster;
  const vip = '10.1.0.2';
  put('all', vip);
  // One pod, behind both nodes.
  cluster.setEndpoints('all', ['worker2']);
  await cluster.proxy([NODE_PORT], ['worker2'], false);
  const frontends = await cluster.untilActive('all', BOTH);
  expect(
    frontends.map(({ mode, backends }) => [
      mode,
      ...backends.map(({ address, port }) => `${address}:${port}`),
    ]),
  ).toEqual(Array(2).fill(['snat', ...BOTH.map((worker) => `${WORKERS[worker].address}:${NODE_PORT}`)]));
  // No way leads to a pod but by a node.
  const { code } = await rig.exec('lb1', ['ping', '-c1', '-W1', WORKERS.worker2.pod], { mayFail: true });
  expect(code).not.toBe(0);
  expect(await cluster.podsThatAnswer(vip)).toEqual(['worker2']);
  expect(await cluster.datagram(vip)).toBe('worker2');
  const [tcp] = await cluster.untilActive('all', BOTH);
  expect(tcp?.backends.map(({ traffic }) => traffic.flows > 0)).toEqual([true, true]);
  remove('all');
});

test('should only target nodes with endpoints', async () => {
  const vip = '10.1.0.3';
  put('local', vip, { externalTrafficPolicy: 'Local' });
  cluster.setEndpoints('local', ['worker1']);
  await cluster.proxy([NODE_PORT], BOTH, true);
  await cluster.untilActive('local', ['worker1']);
  expect(await cluster.podsThatAnswer(vip)).toEqual(['worker1']);
  // The LB node's address, not the client's.
  expect((await cluster.curl(vip, '/from')).stdout).toMatch(/^10\.50\.1\.\d\n$/);
  await cluster.untilProblem('local', 'external-traffic-policy', true);
  cluster.setEndpoints('local', ['worker2']);
  await cluster.untilActive('local', ['worker2']);
  expect(await cluster.podsThatAnswer(vip)).toEqual(['worker2']);
  // should target all nodes with endpoints
  cluster.setEndpoints('local', BOTH);
  await cluster.untilActive('local', BOTH);
  expect(await cluster.podsThatAnswer(vip)).toEqual([...BOTH]);
  cluster.setEndpoints('local', []);
  await cluster.untilActive('local', []);
  expect((await cluster.curl(vip)).code).toBe(REFUSED);
  remove('local');
});

test('a node that is not ready keeps its connections and gets no new ones', async () => {
  const vip = '10.1.0.4';
  put('kept', vip, { externalTrafficPolicy: 'Local' });
  cluster.setEndpoints('kept', BOTH);
  await cluster.proxy([NODE_PORT], BOTH, true);
  await cluster.untilActive('kept', BOTH);
  const load = await httpLoad(cluster.rig, CLIENT, { host: vip, port: 80, keepAlive: true, loops: 16 });
  await load.until('connections to both', ({ answers }) => BOTH.every((worker) => worker in answers));
  cluster.setReady('worker1', false);
  await cluster.untilActive('kept', ['worker2']);
  const { answers } = await load.read();
  await load.until(
    'more of what was there',
    (now) => (now.answers.worker1 ?? 0) > (answers.worker1 ?? 0) + 20,
  );
  expect(await cluster.podsThatAnswer(vip)).toEqual(['worker2']);
  cluster.setReady('worker1', true);
  await cluster.untilActive('kept', BOTH);
  const { failures } = await load.stop();
  expect(failures).toEqual([]);
  remove('kept');
});

test('should be able to create LoadBalancer Service without NodePort and change it', async () => {
  const vip = '10.1.0.5';
  const ports = [{ name: 'tcp', port: 80, protocol: 'TCP', targetPort: 8080 }];
  const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports };
  put('portless', vip, spec);
  cluster.setEndpoints('portless', BOTH);
  await cluster.untilProblem('portless', 'no-node-port', true);
  await cluster.untilActive('portless', []);
  expect((await cluster.curl(vip)).code).toBe(REFUSED);
  put('portless', vip, { ...spec, allocateLoadBalancerNodePorts: true });
  await cluster.untilActive('portless', BOTH);
  await cluster.untilProblem('portless', 'no-node-port', false);
  const live = JSON.parse(cluster.plane.kubectl(['get', 'service', 'portless', '--output', 'json']));
  await cluster.proxy([live.spec.ports[0].nodePort], BOTH, false);
  expect(await cluster.podsThatAnswer(vip)).toEqual([...BOTH]);
  remove('portless');
});

test('a Node that goes, and comes again', async () => {
  const vip = '10.1.0.6';
  put('moved', vip);
  cluster.setEndpoints('moved', ['worker1']);
  await cluster.proxy([NODE_PORT], ['worker1'], false);
  await cluster.untilActive('moved', BOTH);
  cluster.plane.kubectl(['delete', 'node', 'worker2']);
  await cluster.untilActive('moved', ['worker1']);
  expect(await cluster.podsThatAnswer(vip, 5)).toEqual(['worker1']);
  cluster.setReady('worker2', true);
  await cluster.untilActive('moved', BOTH);
  expect(await cluster.podsThatAnswer(vip)).toEqual(['worker1']);
  remove('moved');
});
