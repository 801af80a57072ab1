import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DesiredStateBuilder } from '../../../src/services/build-desired-state.ts';
import { runAtOnce } from '../../../src/slices/run-in-slices.ts';
import type { Endpoint, EndpointSlice, KubeNode, Service } from '../../../src/sources/kube-objects.ts';
import { build, endpoint, node, SETTINGS, service, slice } from './objects.ts';

const name = fc.constantFrom('a', 'b');
const namespace = fc.constantFrom('n', 'n', 'n', 'm');

const NODE_PORTS = { 'l4lb.io/backends': 'node-ports' };

const someService: fc.Arbitrary<Service> = fc
  .record({
    name,
    namespace,
    externalIPs: fc.uniqueArray(fc.constantFrom('10.1.0.1', '10.1.0.2', '10.1.0.30', '10.9.0.1', 'x'), {
      maxLength: 3,
    }),
    ports: fc.array(
      fc.record({
        name: fc.constantFrom('p', 'q'),
        port: fc.constantFrom(0, 80, 80, 443),
        protocol: fc.constantFrom('TCP', 'TCP', 'UDP', 'SCTP'),
        nodePort: fc.constantFrom(30_001, 30_001, 30_002),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    annotations: fc.constantFrom({}, NODE_PORTS),
    externalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
    publishNotReadyAddresses: fc.boolean(),
    loadBalancerSourceRanges: fc.constantFrom([], [], [], ['10.0.0.0/8']),
    age: fc.constantFrom(undefined, 1, 2),
  })
  .map(({ age, ...changes }) => service({ ...changes, ...(age === undefined ? {} : { createdAt: age }) }));

const someEndpoint: fc.Arbitrary<Endpoint> = fc
  .tuple(
    fc.constantFrom('10.2.0.5', '10.2.0.6', '10.2.0.7', '10.1.0.9', 'x'),
    fc.oneof(fc.constant([]), fc.subarray(['!ready', '!serving', 'terminating'])),
    fc.constantFrom('', '@w1', '@w2', '@w3'),
  )
  .map(([address, conditions, on]) => endpoint([address, ...conditions, on].join(' ')));

const someNode: fc.Arbitrary<KubeNode> = fc
  .tuple(
    fc.constantFrom('w1', 'w2', 'w3', 'w4'),
    fc.constantFrom('10.3.0.1', '10.3.0.2', '10.3.0.2', '10.3.0.3', '10.1.0.4', ''),
    fc.constantFrom('', '', '', '', '!ready', 'excluded', 'leaving', 'lb'),
  )
  .map((words) => node(words.join(' ')));

const someSlice: fc.Arbitrary<EndpointSlice> = fc
  .record({
    name: fc.constantFrom('s1', 's2', 's3', 's4'),
    namespace,
    service: name,
    addressType: fc.constantFrom('IPv4', 'IPv4', 'IPv6'),
    annotations: fc.constantFrom({}, { 'l4lb.io/weights': '{10.2.0.5: 3, 10.2.0.6: 0}' }),
    ports: fc.array(
      fc.record({
        name: fc.constantFrom('p', 'q'),
        port: fc.constantFrom(8080, 8081),
        protocol: fc.constantFrom('TCP', 'TCP', 'UDP'),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    endpoints: fc.array(someEndpoint, { minLength: 1, maxLength: 4 }),
  })
  .map(slice);

const byKey = (object: { namespace: string; name: string }) => `${object.namespace}/${object.name}`;
const someServices = fc.uniqueArray(someService, { selector: byKey, minLength: 1, maxLength: 6 });
const someSlices = fc.uniqueArray(someSlice, { selector: byKey, minLength: 3, maxLength: 8 });

const someNodes = fc.uniqueArray(someNode, { selector: byKey, minLength: 2, maxLength: 4 });

/** The same items in another order. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const ranked = items.map((item, index) => ({ item, rank: Math.imul(index + 1, seed | 1) >>> 0 }));
  return ranked.sort((a, b) => a.rank - b.rank).map(({ item }) => item);
}

test('the order of objects does not matter', () => {
  fc.assert(
    fc.property(someServices, someSlices, someNodes, fc.integer(), (services, slices, nodes, seed) => {
      const mixedUp = [
        shuffled(services, seed),
        shuffled(slices, seed),
        SETTINGS,
        shuffled(nodes, seed),
      ] as const;
      expect(build(...mixedUp)).toEqual(build(services, slices, SETTINGS, nodes));
    }),
    { numRuns: 500 },
  );
}, 60_000);

test('whatever the objects are, the answer keeps its promises', () => {
  let active = 0;
  let ofNodes = 0;
  fc.assert(
    fc.property(someServices, someSlices, someNodes, (services, slices, nodes) => {
      const state = build(services, slices, SETTINGS, nodes);
      const frontends = state.services.map(({ frontend }) => JSON.stringify(frontend));
      expect(new Set(frontends).size).toBe(frontends.length);
      for (const { backends, namespace, name, sourceRanges } of state.services) {
        const owner = services.find((each) => each.namespace === namespace && each.name === name);
        // What is restricted is never open.
        expect(sourceRanges === undefined).toBe(owner?.loadBalancerSourceRanges.length === 0);
        const keys = backends.map(({ address, port }) => `${address}:${port}`);
        expect(new Set(keys).size).toBe(keys.length);
        for (const { state, weight } of backends) expect(weight > 0).toBe(state === 'active');
        ofNodes += backends.filter(({ port, weight }) => port > 30_000 && weight > 0).length;
        active += backends.filter(({ state }) => state === 'active').length;
      }
    }),
    { numRuns: 1_000 },
  );
  // The generator must reach what is looked at.
  expect(active).toBeGreaterThan(50);
  expect(ofNodes).toBeGreaterThan(20);
});

/** One step of a history: what the source says next. */
const someLists = fc.record({ services: someServices, slices: someSlices, nodes: someNodes });

test('after any history the state is the one that is built from nothing', () => {
  let reused = 0;
  fc.assert(
    fc.property(
      fc.array(someLists, { minLength: 2, maxLength: 12 }),
      fc.infiniteStream(fc.nat(3)),
      (steps, dice) => {
        const builder = new DesiredStateBuilder(SETTINGS);
        let { services, slices, nodes } = steps[0] as (typeof steps)[number];
        let before = runAtOnce(builder.update(services, slices, nodes));
        for (const next of steps.slice(1)) {
          const roll = dice.next().value as number;
          // Most of what was there stays the same object, as in a source.
          services = roll === 0 ? next.services : mixed(services, next.services, roll);
          slices = mixed(slices, next.slices, roll);
          if (roll !== 1) nodes = mixed(nodes, next.nodes, roll);
          const state = runAtOnce(builder.update(services, slices, nodes));
          const fresh = structuredClone({ services, slices, nodes });
          expect(state).toEqual(build(fresh.services, fresh.slices, SETTINGS, fresh.nodes));
          reused += state.services.filter((each) => before.services.includes(each)).length;
          before = state;
        }
      },
    ),
    { numRuns: 1_000 },
  );
  expect(reused).toBeGreaterThan(1_000);
}, 60_000);

/** Some objects of `before` and some of `after`, none twice, in the order of their names. */
function mixed<T extends { namespace: string; name: string }>(
  before: readonly T[],
  after: readonly T[],
  roll: number,
): T[] {
  const all = new Map(before.map((object) => [byKey(object), object]));
  for (const [index, object] of after.entries()) {
    if ((index + roll) % 3 !== 0) continue;
    if (roll === 2) all.delete(byKey(object));
    else all.set(byKey(object), object);
  }
  return [...all.values()].sort((a, b) => (byKey(a) < byKey(b) ? -1 : 1));
}

test('what did not change stays the same object', () => {
  const [web, other] = [service(), service({ name: 'other', externalIPs: ['10.1.0.9'] })];
  const unchanged = slice({ endpoints: [endpoint('10.2.0.5')] });
  const of = (address: string) => slice({ name: 'o', service: 'other', endpoints: [endpoint(address)] });
  const builder = new DesiredStateBuilder(SETTINGS);
  const look = (...slices: EndpointSlice[]) => runAtOnce(builder.update([web, other], slices));
  const first = look(unchanged, of('10.2.0.6'));
  const last = of('10.2.0.7');
  const second = look(unchanged, last);
  expect(second.services[0]).toBe(first.services[0]);
  expect(second.services[1]?.backends[0]?.address).toBe('10.2.0.7');
  expect(look(unchanged, last)).toBe(second);
});

test('a change of nodes is looked at where node ports are used, and where it changes nothing all stays', () => {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30_001 }];
  const local = service({ ports, annotations: NODE_PORTS, externalTrafficPolicy: 'Local' });
  const [pods, cluster] = [
    service({ name: 'pods', externalIPs: ['10.1.0.3'] }),
    service({ name: 'all', externalIPs: ['10.1.0.4'], ports, annotations: NODE_PORTS }),
  ];
  const slices = ['web', 'pods', 'all'].map((name) =>
    slice({ name, service: name, endpoints: [endpoint('10.2.0.5 @w1')] }),
  );
  const builder = new DesiredStateBuilder(SETTINGS);
  const look = (...nodes: KubeNode[]) =>
    runAtOnce(builder.update([local, pods, cluster], slices, nodes)).services;
  const w1 = node('w1 10.3.0.1');
  const before = look(w1, node('w2 10.3.0.2'));
  const after = look(w1, node('w2 10.3.0.2 !ready'));
  expect(after.slice(0, 2).map((each, index) => each === before[index])).toEqual([true, true]);
  expect(after[2]?.backends.map(({ state }) => state)).toEqual(['active', 'draining']);
});
