import { expect, test } from 'vitest';
import { readActualState } from '../../../src/dataplane/actual-state.ts';
import { connectionViews } from '../../../src/dataplane/inspect/connection-views.ts';
import { windowView } from '../../../src/dataplane/inspect/remembered-views.ts';
import type { ServiceNames } from '../../../src/dataplane/service-names.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import type { DesiredService } from '../../../src/services/desired-state.ts';
import { runAtOnce } from '../../../src/slices/run-in-slices.ts';
import { HZ, SimulatedNode, TIMEOUTS } from '../../consistency/simulated-node.ts';
import { FLOW_STATES } from '../../model/state.ts';

const backendsOf = (...hosts: number[]) =>
  hosts.map((host) => ({ address: `10.0.0.${host}`, port: 80, weight: 1, state: 'active' }) as const);

function serviceWith(hosts: number[]): DesiredService {
  return {
    frontend: { vip: '10.1.0.2', port: 80, protocol: 'TCP' },
    namespace: 'shop',
    name: 'web',
    type: 'LoadBalancer',
    mode: 'ipip',
    window: { tcp: 900_000, udp: 30_000 },
    tableSize: 251,
    backends: backendsOf(...hosts),
  };
}

test('a window and what is remembered in it are shown, and nothing before and after', async () => {
  const clock = { now: 1000 };
  const node = new SimulatedNode(clock);
  const { kernel } = node;
  const { maps } = kernel;
  const names = {
    frontend: (name: string) =>
      name === '10.1.0.2:80/TCP' ? { namespace: 'shop', name: 'web', backends: {} } : undefined,
    timeouts: FLOW_STATES.map((state) => TIMEOUTS[state]),
    hz: HZ,
    snat: [],
  } as unknown as ServiceNames;
  const context = { kernel: kernel as unknown as Kernel, maps, clock: node.clock, names: () => names };
  const window = () => {
    const [service] = [...runAtOnce(readActualState(maps, kernel)).services.values()].filter(
      ({ key }) => key.port === 80,
    );
    return service === undefined ? undefined : runAtOnce(windowView(kernel, context, service));
  };
  await node.apply([serviceWith([1, 2])]);
  expect(window()).toBeUndefined();

  await node.apply([serviceWith([1, 2, 3])]);
  clock.now += 60 * HZ;
  for (let port = 1; port <= 60; port++) {
    node.send(
      { client: 0xc0a80001, vip: 0x0a010002, clientPort: port, vipPort: 80, protocol: 6 },
      'data',
      port,
    );
  }
  const open = window();
  expect(open).toMatchObject({ open: true, endsInSeconds: 840, oldestTableSize: 251 });
  expect(open?.trackedSlots).toBeGreaterThan(60);
  expect(open?.rememberedFlows).toBe(node.entries);
  expect(node.entries).toBeGreaterThan(5);
  clock.now += 5 * HZ;
  const views = [...connectionViews(context)];
  expect(views).toHaveLength(node.entries);
  expect(views[0]).toMatchObject({
    protocol: 'TCP',
    frontend: '10.1.0.2:80/TCP',
    snat: '',
    state: 'established',
    idleSeconds: 5,
    expiresInSeconds: 7195,
    service: 'shop/web',
    remembered: true,
  });
  expect(views.every(({ backend }) => /^10\.0\.0\.[12]:80$/.test(backend))).toBe(true);

  clock.now += 900 * HZ;
  expect(window()).toMatchObject({ open: false, endsInSeconds: 0 });
  clock.now += 7200 * HZ;
  await node.settle();
  expect(window()).toBeUndefined();
  expect([...connectionViews(context)]).toEqual([]);
});
