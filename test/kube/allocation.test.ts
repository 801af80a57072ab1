import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Allocator } from './allocator.ts';
import { ApiClient, type KubeObject, service } from './api-client.ts';
import { ControlPlane, scratchDirectory } from './control-plane.ts';
import { accountKubeconfig, applyDeployed } from './deployed-rights.ts';
import {
  addressesOf,
  type BalancerOptions,
  balancer,
  conditionOf,
  eventsOf,
  read,
  until,
  untilAddresses,
  untilEvent,
  untilReason,
} from './service-view.ts';

/** Addresses of pools on a real API server: what a Service asks for, and what it gets. */

const POOLS = '[{ name: public, addresses: [10.1.0.16-10.1.0.18, "2001:db8:1::10-2001:db8:1::11"] }]';

let plane: ControlPlane;
let api: ApiClient;
let allocator: Allocator;
const made: KubeObject[] = [];

beforeAll(async () => {
  plane = await ControlPlane.start(scratchDirectory('allocation'));
  api = new ApiClient(plane);
  // The rights that deploy/ gives, and no others.
  applyDeployed(plane);
  const kubeconfig = accountKubeconfig(plane, 'l4lb-lb');
  const lease = 'namespace: kube-system, name: l4lb-controller';
  allocator = new Allocator(plane, 'lb1', { pools: POOLS, kubeconfig, lease });
  await allocator.untilLeading();
});
afterAll(async () => {
  await allocator?.end('SIGKILL');
  await plane?.destroy();
});
afterEach(async () => {
  for (const each of made.splice(0))
    await api.ask('DELETE', `/api/v1/namespaces/default/services/${each.metadata.name}`);
  await allocator.until('all addresses are free', ({ pools }) => pools.every(({ used }) => used === 0));
});

async function make(name: string, options: BalancerOptions = {}): Promise<void> {
  const object = balancer(name, options);
  made.push(object);
  await api.apply(object);
}

test('a Service gets the first free address, with ipMode, condition and Event, and kubectl shows it', async () => {
  await make('web');
  const web = await untilAddresses(api, 'web', '10.1.0.16');
  expect(web.status.loadBalancer.ingress).toEqual([{ ip: '10.1.0.16', ipMode: 'VIP' }]);
  expect(conditionOf(web)).toMatchObject({ status: 'True', reason: 'Allocated', message: '10.1.0.16' });
  expect(await untilEvent(api, 'web', 'AddressAssigned')).toMatchObject({
    type: 'Normal',
    message: '10.1.0.16 assigned',
    count: 1,
  });
  expect(plane.kubectl(['get', 'service', 'web'])).toMatch(/LoadBalancer +10\.96\.\S+ +10\.1\.0\.16 /);
  // What we own, and nothing else.
  const { managedFields } = web.metadata as unknown as {
    managedFields: Array<{ manager: string; subresource?: string; fieldsV1: Record<string, object> }>;
  };
  const own = managedFields.filter(({ manager }) => manager === 'l4lb');
  expect(own.map(({ subresource, fieldsV1 }) => [subresource, Object.keys(fieldsV1)])).toEqual([
    ['status', ['f:status']],
  ]);
  expect(Object.keys(own[0]?.fieldsV1['f:status'] ?? {}).sort()).toEqual(['f:conditions', 'f:loadBalancer']);
});

test('an exhausted pool is said by condition and Event, and the next free address ends it', async () => {
  for (const name of ['one', 'two', 'three']) await make(name);
  for (const name of ['one', 'two', 'three']) await untilReason(api, name, 'Allocated');
  await make('four');
  const four = await untilReason(api, 'four', 'PoolExhausted');
  expect(conditionOf(four)).toMatchObject({
    status: 'False',
    message:
      'no automatic pool has a free IPv4 address; add addresses to controller.pools, or delete Services',
  });
  expect(await untilEvent(api, 'four', 'PoolExhausted')).toMatchObject({ type: 'Warning', count: 1 });
  await allocator.until('it is told', ({ waiting, problems }) => {
    return (
      waiting === 1 &&
      problems.some(({ code, object }) => code === 'pool-exhausted' && object?.name === 'four')
    );
  });
  const [freed] = addressesOf(await read(api, 'two'));
  await api.delete(balancer('two'));
  await untilAddresses(api, 'four', freed ?? '');
  expect(conditionOf(await read(api, 'four'))).toMatchObject({ status: 'True', reason: 'Allocated' });
});

test('a requested address, by field and by annotation; one outside of the pools, and one that is taken', async () => {
  await make('field', { spec: { loadBalancerIP: '10.1.0.18' } });
  await make('annotated', { annotations: { 'l4lb.io/addresses': '10.1.0.17' } });
  await untilAddresses(api, 'field', '10.1.0.18');
  await untilAddresses(api, 'annotated', '10.1.0.17');
  await make('outside', { spec: { loadBalancerIP: '10.1.0.99' } });
  expect(addressesOf(await untilReason(api, 'outside', 'RequestedAddressOutsidePools'))).toEqual([]);
  await make('taken', { spec: { loadBalancerIP: '10.1.0.18' } });
  const taken = await untilReason(api, 'taken', 'RequestedAddressInUse');
  expect(conditionOf(taken)?.message).toMatch(
    /^10\.1\.0\.18 is asked for, but Service default\/field has it; /,
  );
  await untilEvent(api, 'taken', 'RequestedAddressInUse');
  // Asking for another moves the Service.
  await api.apply(balancer('taken', { spec: { loadBalancerIP: '10.1.0.16' } }));
  await untilAddresses(api, 'taken', '10.1.0.16');
});

test('an address is shared by key while the ports differ', async () => {
  const annotations = { 'l4lb.io/allow-shared-ip': 'dns' };
  await make('tcp', { annotations });
  await untilAddresses(api, 'tcp', '10.1.0.16');
  await make('tls', { annotations, port: 443 });
  await untilAddresses(api, 'tls', '10.1.0.16');
  await make('again', { annotations });
  await untilAddresses(api, 'again', '10.1.0.17');
  await make('other', {
    annotations: { 'l4lb.io/allow-shared-ip': 'mail', 'l4lb.io/addresses': '10.1.0.16' },
    port: 25,
  });
  await untilReason(api, 'other', 'RequestedAddressInUse');
});

test('dual stack by policy, and back to one family', async () => {
  const dual = { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] };
  await make('dual', { spec: dual });
  await untilAddresses(api, 'dual', '10.1.0.16', '2001:db8:1::10');
  await make('six', { spec: { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] } });
  await untilAddresses(api, 'six', '2001:db8:1::11');
  await make('strict', { spec: dual });
  expect(addressesOf(await untilReason(api, 'strict', 'PoolExhausted'))).toEqual([]);
  await make('content', { spec: { ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv4', 'IPv6'] } });
  expect(addressesOf(await untilReason(api, 'content', 'SingleFamily'))).toEqual(['10.1.0.17']);
  await api.delete(balancer('content'));
  await api.apply(balancer('dual', { spec: { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] } }));
  await untilAddresses(api, 'dual', '10.1.0.16');
  // The address that came free is the next one's.
  await untilAddresses(api, 'strict', '10.1.0.17', '2001:db8:1::10');
});

test('class and type decide: another class and none are left alone, and a change of type releases', async () => {
  await make('foreign', { spec: { loadBalancerClass: 'example.com/other' } });
  const { spec } = balancer('unclassed') as unknown as { spec: Record<string, unknown> };
  const { loadBalancerClass: _, ...rest } = spec;
  const unclassed = { ...balancer('unclassed'), spec: rest } as KubeObject;
  made.push(unclassed);
  await api.apply(unclassed);
  await make('ours');
  await untilAddresses(api, 'ours', '10.1.0.16');
  for (const name of ['foreign', 'unclassed']) {
    expect((await read(api, name)).status).toEqual({ loadBalancer: {} });
  }
  const cluster = {
    type: 'ClusterIP',
    loadBalancerClass: null,
    allocateLoadBalancerNodePorts: null,
  };
  const path = '/api/v1/namespaces/default/services/ours';
  await api.do('PATCH', path, { spec: cluster }, 'application/merge-patch+json');
  await until(api, 'ours', 'nothing of ours', ({ status }) => {
    return status.loadBalancer.ingress === undefined && (status.conditions ?? []).length === 0;
  });
  await make('next');
  await untilAddresses(api, 'next', '10.1.0.16');
  // Back, by way of another class.
  const other = { type: 'LoadBalancer', loadBalancerClass: 'example.com/other' };
  await api.do('PATCH', path, { spec: other }, 'application/merge-patch+json');
  await api.do('PATCH', path, { spec: cluster }, 'application/merge-patch+json');
  const back = { type: 'LoadBalancer', loadBalancerClass: 'l4lb.io/lb' };
  await api.do('PATCH', path, { spec: back }, 'application/merge-patch+json');
  await untilAddresses(api, 'ours', '10.1.0.17');
});

test('deleted and made again, a Service is a new one', async () => {
  await make('web');
  const before = await untilAddresses(api, 'web', '10.1.0.16');
  await api.delete(balancer('web'));
  await api.apply(balancer('web'));
  const after = await untilReason(api, 'web', 'Allocated');
  expect(after.metadata.uid).not.toBe(before.metadata.uid);
  expect(addressesOf(after)).toHaveLength(1);
  await allocator.until('one address is used', ({ pools }) => pools[0]?.used === 1);
});

test('a pool edit moves nobody, and is said', async () => {
  await make('web');
  await untilAddresses(api, 'web', '10.1.0.16');
  allocator.editPools('[{ name: new, addresses: [10.1.0.32-10.1.0.33] }]');
  const web = await untilReason(api, 'web', 'OutsidePools');
  expect(addressesOf(web)).toEqual(['10.1.0.16']);
  expect(conditionOf(web)?.status).toBe('True');
  await untilEvent(api, 'web', 'OutsidePools');
  await make('next');
  await untilAddresses(api, 'next', '10.1.0.32');
  allocator.editPools(POOLS);
  await untilReason(api, 'web', 'Allocated');
  expect(addressesOf(await read(api, 'web'))).toEqual(['10.1.0.16']);
  expect(addressesOf(await read(api, 'next'))).toEqual(['10.1.0.32']);
});

test('what is not served is said on the Service: SCTP, and a frontend that an older one has', async () => {
  const sctp = { name: 'sctp', port: 132, protocol: 'SCTP' };
  const http = { name: 'http', port: 80, protocol: 'TCP' };
  await make('mixed', { spec: { ports: [http, sctp] } });
  await untilAddresses(api, 'mixed', '10.1.0.16');
  expect(await untilEvent(api, 'mixed', 'UnsupportedProtocol')).toMatchObject({
    type: 'Warning',
    message: '132/SCTP: protocol SCTP is not served; TCP and UDP are',
  });
  await make('sctp', { spec: { ports: [sctp] } });
  expect(addressesOf(await untilReason(api, 'sctp', 'UnsupportedProtocol'))).toEqual([]);
  await untilEvent(api, 'sctp', 'UnsupportedProtocol');
  const older = service('older', '10.1.0.50');
  made.push(older);
  await api.apply(older);
  // Ages are in whole seconds; of equal ones the name decides.
  const younger = service('younger', '10.1.0.50');
  made.push(younger);
  await api.apply(younger);
  const { message } = await untilEvent(api, 'younger', 'DuplicateFrontend');
  expect(message).toMatch(
    /^10\.1\.0\.50:80\/TCP is already a frontend of Service default\/older, which keeps it; /,
  );
  expect(await eventsOf(api, 'older')).toEqual([]);
});

test('what others wrote to the Service meanwhile is a conflict, and is read again', async () => {
  // Changes without a pause, while the address is being given.
  await make('busy');
  const path = '/api/v1/namespaces/default/services/busy';
  for (let round = 0; round < 60; round++) {
    const metadata = { labels: { round: String(round) } };
    await api.do('PATCH', path, { metadata }, 'application/merge-patch+json');
  }
  await untilAddresses(api, 'busy', '10.1.0.16');
});
