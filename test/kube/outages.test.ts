import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { ApiClient, service, slice } from './api-client.ts';
import { BreakingLink } from './breaking-link.ts';
import { ControlPlane, freePort, scratchDirectory } from './control-plane.ts';
import { Follower, writeKubeconfig } from './follower.ts';

/** The source reaches the server by a link that breaks; the tests change things behind its back. */

let plane: ControlPlane;
let api: ApiClient;
let link: BreakingLink;
let kubeconfig: string;
let follower: Follower;

beforeAll(async () => {
  plane = await ControlPlane.start(scratchDirectory('outages'));
  api = new ApiClient(plane);
  const port = await freePort();
  link = await BreakingLink.listen(port, { host: '127.0.0.1', port: plane.port });
  kubeconfig = writeKubeconfig(plane, plane.file('link.kubeconfig'), { server: `https://127.0.0.1:${port}` });
});
afterAll(async () => {
  await link?.close();
  await plane?.destroy();
});
beforeEach(async () => {
  await link.become('open');
  for (const name of ['stays', 'goes']) {
    await api.apply(service(name, '10.1.0.2'));
    await api.apply(slice(`${name}-1`, name, ['10.9.0.1', '10.9.0.2']));
  }
  follower = await Follower.start(kubeconfig, { silence: 3_000 });
  await follower.until(
    'all of it',
    () => follower.endpoints('stays').length === 2 && follower.endpoints('goes').length === 2,
  );
  await follower.synced();
});
afterEach(() => follower.stop());

/** What happens while nobody sees it. */
async function changeMuch(): Promise<void> {
  await api.apply(slice('stays-1', 'stays', ['10.9.0.2', '10.9.0.3']));
  await api.delete(slice('goes-1', 'goes', []));
  await api.delete(service('goes', ''));
  await api.apply(slice('stays-2', 'stays', ['10.9.0.4']));
}

async function untilConverged(): Promise<void> {
  await follower.until(
    'the state of the server',
    () =>
      follower.endpoints('stays').join() === '10.9.0.2,10.9.0.3,10.9.0.4' &&
      !follower.services.includes('default/goes'),
  );
  await follower.until('no problems', () => follower.problems.length === 0);
  await api.delete(slice('stays-2', 'stays', []));
}

/** In no snapshot since was less than these. */
function expectNothingLost(since: number): void {
  for (const { services, slices, synced } of follower.snapshots.slice(since)) {
    expect(synced).toBe(true);
    expect(services.map(({ name }) => name)).toContain('stays');
    const addresses = slices.flatMap(({ endpoints }) => endpoints.flatMap((each) => each.addresses));
    expect(addresses).toContain('10.9.0.2');
  }
}

test('server and etcd are killed, endpoints change meanwhile: nothing is lost, and then all is as it is', async () => {
  const since = follower.snapshots.length;
  const before = follower.source.snapshot();
  await plane.stop('SIGKILL');
  await follower.until('it is told', () => follower.problems.length === 2);
  expect(follower.problems[0]).toMatch(
    /^the API server of .*link\.kubeconfig, asked for (Service|EndpointSlice)s, (broke off|refuses) the connection \(\w+\); since 20[-0-9T:.]+Z; maps and announcement stay as they are until it answers$/,
  );
  expect(follower.source.snapshot().services).toBe(before.services);
  expect(follower.source.snapshot().slices).toBe(before.slices);
  expect(follower.source.watches().map(({ connected, synced }) => [connected, synced])).toEqual([
    [false, true],
    [false, true],
  ]);
  await link.become('refuse');
  await plane.start();
  await changeMuch();
  expect(follower.source.snapshot().slices).toBe(before.slices);
  await link.become('open');
  await untilConverged();
  expectNothingLost(since);
});

test('a link that goes silent is noticed, and what was missed is caught up with', async () => {
  const since = follower.snapshots.length;
  await link.become('silent');
  await changeMuch();
  await follower.until('it is told', () => follower.problems.some((text) => /was silent for 3 s/.test(text)));
  expect(follower.endpoints('goes')).toHaveLength(2);
  const before = link.accepted;
  await link.become('open');
  await untilConverged();
  expect(link.accepted).toBeGreaterThan(before);
  expectNothingLost(since);
});

test('connections that are reset are made again, and the watch goes on where it was', async () => {
  const relists = follower.source.watches().map((watch) => watch.relists);
  link.reset();
  await changeMuch();
  await untilConverged();
  expect(follower.source.watches().map((watch) => watch.relists)).toEqual(relists);
});

test('a version that was compacted away while the link was down leads to a list, in which what is missing is gone', async () => {
  const since = follower.snapshots.length;
  const relists = follower.source.watches().map((watch) => watch.relists);
  await link.become('refuse');
  await changeMuch();
  await plane.compact();
  // Its cache of events would answer for etcd.
  await plane.stop('SIGKILL');
  await plane.start();
  await link.become('open');
  await untilConverged();
  expect(follower.source.watches().map((watch) => watch.relists)).toEqual(relists.map((count) => count + 1));
  expectNothingLost(since);
});

test('a source that starts while there is no server says so, and is not synced', async () => {
  await link.become('refuse');
  const late = await Follower.start(kubeconfig);
  try {
    await late.until('it is told', () => late.problems.length === 2);
    expect(late.source.snapshot()).toMatchObject({ services: [], slices: [], synced: false });
    expect(late.problems[0]).toMatch(
      /refuses the connection .*; nothing is taken out of the maps before it has answered/,
    );
    await link.become('open');
    await late.until('all of it', () => late.source.snapshot().synced && late.endpoints('stays').length > 0);
    expect(late.problems).toEqual([]);
  } finally {
    await late.stop();
  }
});
