import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ApiClient, type KubeObject, service, slice } from './api-client.ts';
import { ControlPlane, scratchDirectory } from './control-plane.ts';
import { fieldPaths, fieldRows, isTest, type Schema } from './documented-fields.ts';
import { Follower, type FollowOptions } from './follower.ts';

let plane: ControlPlane;
let api: ApiClient;
const followers: Follower[] = [];

beforeAll(async () => {
  plane = await ControlPlane.start(scratchDirectory('follow'));
  api = new ApiClient(plane);
});
afterAll(() => plane?.destroy());
afterEach(async () => {
  for (const follower of followers.splice(0)) await follower.stop();
});

async function follow(options?: FollowOptions): Promise<Follower> {
  const follower = await Follower.start(plane.adminKubeconfig, options);
  followers.push(follower);
  await follower.synced();
  return follower;
}

function readyPod(name: string, address: string): { pod: KubeObject; status: unknown } {
  return {
    pod: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', labels: { app: 'web' } },
      spec: { nodeName: 'worker-1', containers: [{ name: 'web', image: 'web' }] },
    },
    status: {
      status: {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'True' }],
        podIP: address,
        podIPs: [{ ip: address }],
      },
    },
  };
}

test('kubectl applies the manifests of the examples, and the source says what they say', async () => {
  const follower = await follow();
  for (const name of ['shop', 'infra']) plane.kubectl(['create', 'namespace', name]);
  plane.kubectl(['apply', '--filename', 'deploy/examples/manifests']);
  const listed = JSON.parse(plane.kubectl(['get', 'services', '--all-namespaces', '--output', 'json'])) as {
    items: Array<{ metadata: { name: string; namespace: string } }>;
  };
  const names = listed.items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
  expect(names.length).toBeGreaterThan(1);
  await follower.until('all Services', () => String([...follower.services].sort()) === String(names));
  await follower.until('all slices', () => follower.source.snapshot().slices.length > 0);
  expect(follower.source.snapshot()).toMatchObject({ synced: true, complete: true, problems: [] });
  plane.kubectl(['delete', '--filename', 'deploy/examples/manifests']);
  await follower.until(
    'only what Kubernetes has itself',
    () => follower.services.join() === 'default/kubernetes',
  );
});

test('pods of a selector become endpoints by the EndpointSlice controller, and leave them', async () => {
  const follower = await follow();
  // Without its node a pod is no endpoint.
  await api.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'worker-1' } });
  const web = service('web', '10.1.0.2', { selector: { app: 'web' } });
  await api.apply(web);
  for (const [index, address] of ['10.9.0.1', '10.9.0.2'].entries()) {
    const { pod, status } = readyPod(`web-${index}`, address);
    await api.apply(pod);
    const path = `/api/v1/namespaces/default/pods/web-${index}/status`;
    await api.do('PATCH', path, status, 'application/merge-patch+json');
  }
  await follower.until('both pods', () => follower.endpoints('web').join() === '10.9.0.1,10.9.0.2');
  await api.delete(readyPod('web-0', '10.9.0.1').pod);
  await follower.until('one pod', () => follower.endpoints('web').join() === '10.9.0.2');
  await api.delete(readyPod('web-1', '10.9.0.2').pod);
  // One after the other: the controller leaves the slices of a deleted Service to a garbage collector.
  await follower.until('no pod', () => follower.endpoints('web').length === 0);
  await api.delete(web);
  await follower.until('no Service', () => !follower.services.includes('default/web'));
});

test('slices made by hand are followed; one without a Service is none of ours', async () => {
  const follower = await follow();
  await api.apply(service('hand', '10.1.0.3'));
  await api.apply(slice('hand-1', 'hand', ['10.9.1.1', '10.9.1.2']));
  const { metadata, ...rest } = slice('stray', 'hand', ['10.9.1.9']);
  await api.apply({ ...rest, metadata: { name: metadata.name, namespace: 'default' } } as KubeObject);
  await follower.until('both endpoints', () => follower.endpoints('hand').join() === '10.9.1.1,10.9.1.2');
  await api.apply(slice('hand-1', 'hand', ['10.9.1.2']));
  await api.apply(slice('hand-2', 'hand', ['10.9.1.3']));
  await follower.until('the change', () => follower.endpoints('hand').join() === '10.9.1.2,10.9.1.3');
  const names = follower.source.snapshot().slices.map(({ name }) => name);
  expect(names.filter((name) => /^hand|^stray/.test(name))).toEqual(['hand-1', 'hand-2']);
  for (const each of [slice('hand-1', 'hand', []), slice('hand-2', 'hand', []), slice('stray', '', [])]) {
    await api.delete(each);
  }
  await api.delete(service('hand', '10.1.0.3'));
  await follower.until('the end', () => follower.endpoints('hand').length === 0);
});

test('a list longer than a page is complete, and an unchanged object stays the same one', async () => {
  const names = Array.from({ length: 25 }, (_, index) => `many-${index}`);
  await Promise.all(names.map((name, index) => api.apply(slice(name, 'many', [`10.9.2.${index + 1}`]))));
  const follower = await follow({ page: 4 });
  expect(follower.endpoints('many')).toHaveLength(25);
  const before = follower.source.snapshot().slices;
  await api.apply(slice('many-3', 'many', ['10.9.2.200']));
  await follower.until('the change', () => follower.endpoints('many').includes('10.9.2.200'));
  const now = follower.source.snapshot().slices;
  expect(now.filter((object, index) => object !== before[index])).toHaveLength(1);
  await Promise.all(names.map((name) => api.delete(slice(name, 'many', []))));
  await follower.until('the end', () => follower.endpoints('many').length === 0);
});

test('of chosen namespaces, nothing else is followed', async () => {
  const namespaces = ['team-a', 'team-b', 'team-c'];
  for (const name of namespaces) {
    await api.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const web = service('web', '10.1.0.9');
    await api.apply({ ...web, metadata: { name: 'web', namespace: name } });
  }
  const follower = await follow({ namespaces: ['team-b', 'team-a'] });
  expect(follower.services).toEqual(['team-a/web', 'team-b/web']);
  await api.delete({ ...service('web', ''), metadata: { name: 'web', namespace: 'team-a' } });
  await follower.until('one', () => follower.services.join() === 'team-b/web');
});

test('Nodes are followed where they are asked for, and heartbeats are no news', async () => {
  const path = '/api/v1/nodes/w-1/status';
  const merge = 'application/merge-patch+json';
  const condition = (status: string, beat: string) => ({
    type: 'Ready',
    status,
    lastHeartbeatTime: beat,
    reason: beat,
  });
  const patch = (addresses: readonly string[], conditions: readonly unknown[]): Promise<unknown> => {
    const wanted = addresses.map((address) => ({ type: 'InternalIP', address }));
    return api.do(
      'PATCH',
      path,
      { status: { addresses: [{ type: 'Hostname', address: 'w-1' }, ...wanted], conditions } },
      merge,
    );
  };
  const without = await follow();
  await api.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'w-1' } });
  await patch(['10.3.0.1', '2001:db8:9::1'], [condition('True', '2026-01-01T00:00:00Z')]);
  const follower = await follow({ nodes: true, namespaces: ['default'] });
  const known = () => follower.source.snapshot().nodes.filter(({ name }) => name === 'w-1');
  expect(known()).toMatchObject([
    { internalIPs: ['10.3.0.1', '2001:db8:9::1'], ready: true, excluded: false, leaving: false },
  ]);
  expect(without.source.snapshot().nodes).toEqual([]);
  expect(without.source.watches().map(({ kind }) => kind)).toEqual(['Service', 'EndpointSlice']);

  const [before, snapshots] = [known()[0], follower.snapshots.length];
  await patch(['10.3.0.1', '2001:db8:9::1'], [condition('True', '2026-01-01T00:05:00Z')]);
  // Said after it by the same watch.
  await api.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'w-2' } });
  await follower.until('the second node', () =>
    follower.source.snapshot().nodes.some(({ name }) => name === 'w-2'),
  );
  expect(known()[0]).toBe(before);
  expect(follower.snapshots.length - snapshots).toBe(1);

  await patch(['10.3.0.7'], [condition('Unknown', '2026-01-01T00:10:00Z')]);
  await follower.until(
    'the change',
    () => known()[0]?.ready === false && known()[0]?.internalIPs.join() === '10.3.0.7',
  );
  const excluded = { 'node.kubernetes.io/exclude-from-external-load-balancers': '' };
  await api.do(
    'PATCH',
    '/api/v1/nodes/w-1',
    { metadata: { labels: { ...excluded, 'l4lb.io/role': 'lb' } } },
    merge,
  );
  await follower.until('the labels', () => known()[0]?.excluded === true && known()[0]?.isLb === true);
  for (const name of ['w-1', 'w-2']) await api.delete({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
  await follower.until('the end', () => known().length === 0);
});

test.each([
  ['Service', '/openapi/v3/api/v1', 'io.k8s.api.core.v1.Service'],
  ['Node', '/openapi/v3/api/v1', 'io.k8s.api.core.v1.Node'],
  ['EndpointSlice', '/openapi/v3/apis/discovery.k8s.io/v1', 'io.k8s.api.discovery.v1.EndpointSlice'],
])(
  'the documentation says of every field of %s what becomes of it, and names tests that exist',
  async (kind, path, schema) => {
    const document = (await api.do('GET', path)) as {
      components: { schemas: Record<string, Schema> };
    };
    const rows = fieldRows(kind);
    const told = rows.flatMap(({ fields }) => fields).filter((field) => !field.startsWith('metadata.'));
    const known = fieldPaths(document.components.schemas, schema, (field) => told.includes(field));
    expect(known.length).toBeGreaterThan(10);
    expect(told.sort()).toEqual(known.sort());
    const tests = rows.flatMap((row) => row.tests);
    expect(tests.filter(({ file, name }) => !isTest(file, name))).toEqual([]);
    expect(rows.filter((row) => row.isRead && row.tests.length === 0)).toEqual([]);
  },
);
