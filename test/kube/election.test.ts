import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../rig/wait.ts';
import { Allocator } from './allocator.ts';
import { ApiClient } from './api-client.ts';
import { BreakingLink } from './breaking-link.ts';
import { ControlPlane, freePort, scratchDirectory } from './control-plane.ts';
import { writeKubeconfig } from './follower.ts';
import { addressesOf, balancer, conditionOf, read, untilAddresses, untilReason } from './service-view.ts';

/** One leader of several, whatever becomes of it, and what it wrote stays. */

const POOLS = '[{ name: public, addresses: [10.1.0.16-10.1.0.63] }]';
const NAMES = ['a', 'b', 'c', 'd', 'e'];

let plane: ControlPlane;
let api: ApiClient;
const allocators: Allocator[] = [];

beforeAll(async () => {
  plane = await ControlPlane.start(scratchDirectory('election'));
  api = new ApiClient(plane);
});
afterAll(() => plane?.destroy());
afterEach(async () => {
  // By SIGTERM, so that the next test need not wait for the Lease.
  for (const each of allocators.splice(0)) await each.end('SIGTERM');
  plane.kubectl(['delete', 'services', '--selector', 'made-by=test', '--namespace', 'default']);
});

function allocator(name: string, options: { pools?: string; kubeconfig?: string } = {}): Allocator {
  const started = new Allocator(plane, name, { pools: POOLS, ...options });
  allocators.push(started);
  return started;
}

/** Of all Services: versions too, so that even a write of the same shows. */
async function recorded(names: readonly string[]): Promise<string[]> {
  const services = await Promise.all(names.map((name) => read(api, name)));
  return services.map((each) => `${addressesOf(each)} ${each.metadata.resourceVersion}`);
}

interface Lease {
  readonly spec: { readonly holderIdentity: string; readonly leaseTransitions: number };
}
const lease = async (): Promise<Lease['spec']> =>
  ((await api.do('GET', '/apis/coordination.k8s.io/v1/namespaces/default/leases/l4lb')) as Lease).spec;

test('the leader is killed: the other takes over when the Lease has run out, and changes no address', async () => {
  const first = allocator('lb1');
  await first.untilLeading();
  const second = allocator('lb2');
  await second.until('it knows the leader', ({ leader }) => leader.holder.startsWith('lb1_'));
  for (const name of NAMES) await api.apply(balancer(name));
  for (const name of NAMES) await untilReason(api, name, 'Allocated');
  const before = await recorded(NAMES);
  expect(new Set(before.map((each) => each.split(' ')[0])).size).toBe(NAMES.length);
  const transitions = (await lease()).leaseTransitions;
  await first.end('SIGKILL');
  await api.apply(balancer('later'));
  expect(second.leads).toBe(false);
  await second.untilLeading();
  await untilAddresses(api, 'later', '10.1.0.21');
  expect(await recorded(NAMES)).toEqual(before);
  expect((await lease()).leaseTransitions).toBe(transitions + 1);

  // A restart is the same again, and a leader that ends leaves the Lease at once.
  await second.end('SIGTERM');
  expect((await lease()).holderIdentity).toBe('');
  const third = allocator('lb1');
  await third.untilLeading();
  await api.apply(balancer('last'));
  await untilAddresses(api, 'last', '10.1.0.22');
  expect(await recorded(NAMES)).toEqual(before);
});

test('a leader that was frozen writes nothing when it wakes up, and leads no more', async () => {
  const first = allocator('lb1');
  await first.untilLeading();
  const second = allocator('lb2');
  await second.until('it knows the leader', ({ leader }) => leader.holder.startsWith('lb1_'));
  await api.apply(balancer('a'));
  await untilAddresses(api, 'a', '10.1.0.16');
  first.pause();
  for (const name of ['b', 'c']) await api.apply(balancer(name));
  await second.untilLeading();
  for (const name of ['b', 'c']) await untilReason(api, name, 'Allocated');
  const before = await recorded(['a', 'b', 'c']);
  first.resume();
  await first.until('it knows', ({ leader }) => !leader.leads && leader.holder.startsWith('lb2_'));
  expect(await recorded(['a', 'b', 'c'])).toEqual(before);
  expect(second.leads).toBe(true);
});

test('the API server is killed in the midst of giving addresses: what was given stays, the rest follows', async () => {
  const first = allocator('lb1');
  await first.untilLeading();
  const names = Array.from({ length: 30 }, (_, index) => `many-${String(index).padStart(2, '0')}`);
  await Promise.all(names.map((name) => api.apply(balancer(name))));
  await plane.stop('SIGKILL');
  await first.until('it leads no more', ({ leader }) => !leader.leads && leader.failure !== undefined);
  await plane.start();
  const given = new Map<string, string>();
  for (const name of names) {
    const [address] = addressesOf(await read(api, name));
    if (address !== undefined) given.set(name, address);
  }
  await first.untilLeading();
  for (const name of names) await untilReason(api, name, 'Allocated');
  const addresses = await Promise.all(names.map(async (name) => addressesOf(await read(api, name))[0] ?? ''));
  expect(new Set(addresses).size).toBe(names.length);
  for (const [name, address] of given) expect(addresses[names.indexOf(name)]).toBe(address);
});

test('a leader that is cut off steps down before another begins, and takes nothing back', async () => {
  const port = await freePort();
  const link = await BreakingLink.listen(port, { host: '127.0.0.1', port: plane.port });
  try {
    const kubeconfig = writeKubeconfig(plane, plane.file('link.kubeconfig'), {
      server: `https://127.0.0.1:${port}`,
    });
    const first = allocator('lb1', { kubeconfig });
    await first.untilLeading();
    const second = allocator('lb2');
    await second.until('it knows the leader', ({ leader }) => leader.holder.startsWith('lb1_'));
    await api.apply(balancer('a'));
    await untilAddresses(api, 'a', '10.1.0.16');
    const before = await recorded(['a']);
    await link.become('silent');
    let both = false;
    await waitFor('the second leads', async () => {
      both ||= first.leads && second.leads;
      return second.leads;
    });
    expect(both).toBe(false);
    await api.apply(balancer('b'));
    await untilAddresses(api, 'b', '10.1.0.17');
    await link.become('open');
    await first.until('it knows', ({ leader }) => leader.holder.startsWith('lb2_'));
    expect(await recorded(['a'])).toEqual(before);
    expect(conditionOf(await read(api, 'a'))?.status).toBe('True');
  } finally {
    await link.close();
  }
});
