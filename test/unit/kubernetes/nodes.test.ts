import { expect, test } from 'vitest';
import type { ApiConnection } from '../../../src/kubernetes/api-connection.ts';
import { KubernetesSource } from '../../../src/sources/kubernetes-source.ts';
import { FakeTimers } from '../node/fake-timers.ts';
import { FakeApiServer } from './fake-api-server.ts';

/** Nodes as a third kind: what they have to do with the rest of what is followed. */

const SECOND_LOOK = 5_000;
const settle = async (): Promise<void> => {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
};

/** A cluster with a Service and a slice. */
function makeSource(nodes: boolean) {
  const [rest, ofNodes] = [new FakeApiServer(), new FakeApiServer()];
  const slices = new FakeApiServer();
  rest.put('default', 'web', { spec: {} });
  slices.put('default', 'web-1', { addressType: 'IPv4' });
  const asked: string[] = [];
  const connection: ApiConnection = {
    open: async () => {
      const sessions = await Promise.all([rest.open(), slices.open(), ofNodes.open()]);
      return {
        get: (path) => {
          asked.push(path.split('?')[0] ?? '');
          return sessions[path.includes('endpointslices') ? 1 : path.includes('nodes') ? 2 : 0].get(path);
        },
        send: async () => Promise.reject(new Error('nothing is written here')),
        close: () => {
          for (const session of sessions) session.close();
        },
      };
    },
    forgetIdentity: () => {},
  };
  const timers = new FakeTimers();
  const source = new KubernetesSource({
    location: 'the fake',
    connection,
    namespaces: ['default'],
    nodes,
    times: {
      page: 500,
      watchMin: 240_000,
      watchMax: 480_000,
      retry: { first: 500, last: 1_000 },
      retryUnreachable: 1_000,
      secondLook: SECOND_LOOK,
    },
    timers,
    random: () => 1,
  });
  return { source, nodes: ofNodes, timers, asked };
}

test('they are asked for in the whole cluster, or not at all', async () => {
  for (const wanted of [true, false]) {
    const { source, nodes, asked } = makeSource(wanted);
    nodes.put('', 'w1', { status: { addresses: [{ type: 'InternalIP', address: '10.3.0.1' }] } });
    await source.start(() => {});
    await settle();
    expect(asked.includes('/api/v1/nodes')).toBe(wanted);
    expect(asked).toContain('/api/v1/namespaces/default/services');
    expect(source.snapshot().synced).toBe(true);
    expect(source.snapshot().nodes.map(({ name }) => name)).toEqual(wanted ? ['w1'] : []);
    await source.stop();
  }
});

test('nothing is believed before they are known, and their loss after a second look', async () => {
  const { source, nodes, timers } = makeSource(true);
  nodes.put('', 'w1');
  nodes.faults.push('refused', 'refused');
  await source.start(() => {});
  await settle();
  expect(source.snapshot()).toMatchObject({ services: [{ name: 'web' }], nodes: [], synced: false });
  expect(source.snapshot().problems).toMatchObject([{ code: 'source-unreachable' }]);
  for (let n = 0; n < 3; n++) {
    timers.advance(1_001);
    await settle();
  }
  expect(source.snapshot()).toMatchObject({ nodes: [{ name: 'w1' }], synced: true, problems: [] });

  nodes.strike('reset');
  nodes.remove('', 'w1');
  nodes.compact();
  for (let n = 0; n < 3; n++) {
    await settle();
    timers.advance(1_001);
  }
  await settle();
  expect(source.snapshot()).toMatchObject({ nodes: [{ name: 'w1' }], problems: [{ code: 'source-empty' }] });
  timers.advance(SECOND_LOOK + 1);
  await settle();
  expect(source.snapshot()).toMatchObject({ nodes: [], synced: true, problems: [] });
  await source.stop();
});
