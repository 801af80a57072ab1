import { expect, test } from 'vitest';
import { Reflector, type ReflectorTimes } from '../../../src/kubernetes/reflector.ts';
import { retryDelay } from '../../../src/kubernetes/retry-delay.ts';
import { FakeTimers } from '../node/fake-timers.ts';
import { FakeApiServer, type Fault, type StoredObject } from './fake-api-server.ts';

const TIMES: ReflectorTimes = {
  page: 500,
  watchMin: 240_000,
  watchMax: 480_000,
  retry: { first: 500, last: 30_000 },
  retryUnreachable: 3_000,
  secondLook: 5_000,
};

/** A reflector that keeps names, with the longest waits. */
function follow(server: FakeApiServer, times: Partial<ReflectorTimes> = {}) {
  const timers = new FakeTimers();
  const names = new Set<string>();
  const faulty = { handler: false };
  const reflector = new Reflector<string>({
    connection: server,
    path: '/api/v1/services',
    labelSelector: 'wanted',
    handler: {
      read: (object) => (object as StoredObject).metadata.name,
      replace(items) {
        names.clear();
        for (const item of items) names.add(item);
      },
      upsert(item) {
        if (faulty.handler) throw new Error('a bug of ours');
        names.add(item);
      },
      remove: (item) => void names.delete(item),
      get size() {
        return names.size;
      },
    },
    onState: () => {
      throw new Error('nobody catches this');
    },
    times: { ...TIMES, ...times },
    timers,
    random: () => 1,
  });
  reflector.start();
  const after = async (milliseconds: number): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    timers.advance(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { reflector, names, faulty, after };
}

function serverWith(...names: string[]): FakeApiServer {
  const server = new FakeApiServer();
  for (const name of names) server.put('default', name);
  return server;
}

const watches = (server: FakeApiServer): string[] =>
  server.requests.filter((path) => path.includes('watch=true'));
const lists = (server: FakeApiServer): string[] =>
  server.requests.filter((path) => !path.includes('watch=true'));

test('lists by pages, then watches from the version of the list, with bookmarks and a time', async () => {
  const server = serverWith('a', 'b', 'c');
  const { reflector, names, after } = follow(server, { page: 2 });
  await after(0);
  expect([...names]).toEqual(['a', 'b', 'c']);
  expect(server.requests).toEqual([
    '/api/v1/services?limit=2&labelSelector=wanted',
    '/api/v1/services?limit=2&continue=4%3A2&labelSelector=wanted',
    '/api/v1/services?watch=true&allowWatchBookmarks=true&resourceVersion=4&timeoutSeconds=480&labelSelector=wanted',
  ]);
  expect(reflector.state).toMatchObject({ synced: true, connected: true, relists: 0, errors: 0 });
  await reflector.stop();
  expect(server.watching).toBe(0);
});

test('a watch that the server ends goes on from the last event or bookmark, without a list', async () => {
  const server = serverWith('a');
  const { reflector, names, after } = follow(server);
  await after(2_000);
  server.put('default', 'b');
  await after(2_000);
  server.strike('end');
  server.remove('default', 'a');
  await after(0);
  expect(watches(server)[1]).toContain('resourceVersion=3');
  server.bookmark();
  server.strike('end');
  await after(0);
  expect(watches(server)[2]).toContain('resourceVersion=4');
  expect([[...names], lists(server).length]).toEqual([['b'], 1]);
  expect(reflector.state).toMatchObject({ errors: 0, relists: 0 });
  await reflector.stop();
});

test('a version that the server has forgotten leads to a list at once, and what is missing in it is gone', async () => {
  const server = serverWith('a', 'b');
  const { reflector, names, after } = follow(server);
  await after(2_000);
  server.strike('end');
  server.remove('default', 'a');
  server.compact();
  await after(0);
  expect([...names]).toEqual(['b']);
  expect(reflector.state).toMatchObject({ relists: 1, connected: true });
  await reflector.stop();
});

test.each<[Fault, string]>([
  ['refused', 'refuses the connection'],
  ['error-500', 'answers 500: etcd is slow'],
  ['truncated', 'gave a broken answer: no JSON, or cut short'],
  ['garbage', 'gave a broken answer: no JSON, or cut short'],
  ['reset', 'broke off the connection'],
])('a list that meets "%s" is tried for ever, more and more slowly', async (fault, message) => {
  const server = serverWith('a');
  server.faults.push(...new Array<Fault>(40).fill(fault));
  const { reflector, names, after } = follow(server);
  await after(0);
  expect(reflector.state.failure).toMatchObject({ since: 0 });
  expect(reflector.state.failure?.message).toContain(message);
  await after(499);
  expect(server.requests).toHaveLength(1);
  await after(1);
  expect(server.requests).toHaveLength(2);
  await after(999);
  expect(server.requests).toHaveLength(2);
  for (let round = 0; round < 45; round++) await after(30_000);
  expect([...names]).toEqual(['a']);
  expect(reflector.state).toMatchObject({ synced: true, connected: true, errors: 40 });
  expect(reflector.state.failure).toBeUndefined();
  await reflector.stop();
});

test('errors on the watch three times in a row lead to a list, which does not hasten the attempts', async () => {
  const server = serverWith('a');
  const { reflector, after } = follow(server);
  await after(2_000);
  server.faults.push('error-500', 'error-500', 'error-500');
  server.strike('end');
  await after(500);
  await after(1_000);
  expect(lists(server)).toHaveLength(1);
  expect(reflector.state.failure?.message).toBe('answers 500: etcd is slow');
  await after(2_000);
  expect(lists(server)).toHaveLength(2);
  server.faults.push('refused');
  server.strike('reset');
  const before = server.requests.length;
  await after(2_000);
  expect(server.requests).toHaveLength(before);
  await reflector.stop();
});

test('an empty list where there were objects is doubted, and forgotten when the next is not', async () => {
  const server = serverWith('a');
  const { reflector, names, after } = follow(server);
  await after(2_000);
  server.faults.push('gone', 'empty');
  server.strike('end');
  await after(4_999);
  expect([[...names], reflector.state.doubted]).toEqual([['a'], true]);
  await after(1);
  expect([[...names], reflector.state.doubted]).toEqual([['a'], false]);
  expect(lists(server)).toHaveLength(3);
  await reflector.stop();
});

test('a list that is empty at the second look too is believed', async () => {
  const server = serverWith('a');
  const { reflector, names, after } = follow(server);
  await after(2_000);
  server.strike('end');
  server.remove('default', 'a');
  server.compact();
  await after(4_999);
  expect([...names]).toEqual(['a']);
  await after(1);
  expect([[...names], reflector.state.doubted]).toEqual([[], false]);
  await reflector.stop();
});

test('an empty list, a failure, and one more empty list are no second look', async () => {
  const server = serverWith('a');
  const { reflector, names, after } = follow(server);
  await after(2_000);
  server.faults.push('gone', 'empty', 'garbage', 'empty');
  server.strike('end');
  await after(5_000);
  expect([[...names], reflector.state.doubted]).toEqual([['a'], false]);
  await after(4_000);
  expect([[...names], reflector.state.doubted]).toEqual([['a'], true]);
  await after(5_000);
  expect([[...names], reflector.state.doubted]).toEqual([['a'], false]);
  await reflector.stop();
});

test('a handler that throws is contained, and the list is read anew', async () => {
  const server = serverWith('a');
  const { reflector, names, faulty, after } = follow(server);
  await after(0);
  faulty.handler = true;
  server.put('default', 'b');
  await after(0);
  expect(reflector.state.errors).toBe(1);
  faulty.handler = false;
  await after(500);
  expect([...names]).toEqual(['a', 'b']);
  await reflector.stop();
});

test('an identity that is not taken is read anew', async () => {
  const server = serverWith('a');
  const open = server.open.bind(server);
  let refused = 0;
  server.open = async () => {
    const session = await open();
    if (refused++ > 0) return session;
    const body = (async function* () {
      yield Buffer.from('{"message":"Unauthorized"}');
    })();
    return { ...session, get: async () => ({ status: 401, body }) };
  };
  const { reflector, after } = follow(server);
  await after(0);
  expect(server.identitiesForgotten).toBe(1);
  expect(reflector.state.failure?.message).toMatch(/401: Unauthorized; the token or client certificate/);
  await after(500);
  expect(reflector.state.synced).toBe(true);
  await reflector.stop();
});

test('a server that is away is asked every few seconds, and one that is back but not ready from the first wait on', async () => {
  const server = serverWith('a');
  const { reflector, after } = follow(server);
  server.faults.push(...Array<Fault>(9).fill('refused'), 'error-500', 'error-500');
  await after(0);
  for (const wait of [500, 1_000, 2_000, 3_000, 3_000, 3_000, 3_000, 3_000]) await after(wait);
  expect([reflector.state.errors, server.faults.length]).toEqual([9, 2]);
  await after(2_999);
  expect(server.faults.length).toBe(2);
  await after(1);
  expect(server.faults).toEqual(['error-500']);
  await after(500);
  expect(server.faults).toEqual([]);
  await after(1_000);
  expect(reflector.state.synced).toBe(true);
  await reflector.stop();
});

test('stops in the midst of anything', async () => {
  for (const fault of ['refused', undefined] as const) {
    const server = serverWith('a');
    if (fault !== undefined) server.faults.push(fault);
    const { reflector, after } = follow(server);
    if (fault !== undefined) await after(0);
    await reflector.stop();
    expect(server.watching).toBe(0);
  }
});

test('waits double from the first limit to the last, anywhere between nothing and the limit', () => {
  const limits = { first: 500, last: 30_000 };
  expect([1, 2, 3, 6, 7, 8, 1_000].map((failures) => retryDelay(failures, limits, 1))).toEqual([
    500, 1_000, 2_000, 16_000, 30_000, 30_000, 30_000,
  ]);
  expect([0, 0.5].map((random) => retryDelay(3, limits, random))).toEqual([0, 1_000]);
});

test('pages of large objects are shorter, so that no answer is parsed for long', async () => {
  const server = new FakeApiServer();
  for (let n = 0; n < 400; n++) server.put('default', `large-${n}`, { data: 'x'.repeat(25_000) });
  const { reflector, names, after } = follow(server);
  for (let turn = 0; turn < 50; turn++) await after(0);
  expect(names.size).toBe(400);
  const limits = lists(server).map((path) => Number(new URL(path, 'http://fake').searchParams.get('limit')));
  expect(limits).toEqual([100, ...Array<number>(8).fill(41)]);
  await reflector.stop();
});
