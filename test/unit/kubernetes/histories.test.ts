import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ApiConnection } from '../../../src/kubernetes/api-connection.ts';
import { decodeEndpointSlice, decodeService } from '../../../src/sources/kube-decoders.ts';
import type { EndpointSlice, KubeNode, Service } from '../../../src/sources/kube-objects.ts';
import { KubernetesSource } from '../../../src/sources/kubernetes-source.ts';
import { decodeNode } from '../../../src/sources/node-decoder.ts';
import type { SourceSnapshot } from '../../../src/sources/source.ts';
import { FakeTimers } from '../node/fake-timers.ts';
import { FakeApiServer, type Fault } from './fake-api-server.ts';

/**
 * Random histories of a cluster and of the way to it: at their end the source says what a fresh list says,
 * and on the way nothing vanishes that the server has not removed.
 */

const RUNS = Number(process.env.L4LB_HISTORIES ?? 10_000);
const FAULTS: readonly Fault[] = [
  'refused',
  'reset',
  'truncated',
  'garbage',
  'error-500',
  'gone',
  'empty',
  'duplicates',
  'end',
];

type Kind = 'services' | 'slices' | 'nodes';
const KINDS: readonly Kind[] = ['services', 'slices', 'nodes'];
type Step =
  | { readonly do: 'put' | 'remove'; readonly kind: Kind; readonly name: number }
  | { readonly do: 'compact' | 'bookmark'; readonly kind: Kind }
  | { readonly do: 'strike' | 'fault'; readonly kind: Kind; readonly fault: Fault }
  | { readonly do: 'outage'; readonly kind: Kind; readonly names: readonly number[] }
  | { readonly do: 'wait'; readonly ms: number };

const kind = fc.constantFrom(...KINDS);
const name = fc.nat(5);
const fault = fc.constantFrom(...FAULTS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('put' as const), kind, name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), kind, name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('compact' as const, 'bookmark' as const), kind }) },
  // What happens in it can be known from a list only.
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('outage' as const),
      kind,
      names: fc.array(name, { maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('strike' as const, 'fault' as const), kind, fault }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(40_000) }) },
);

class Cluster implements ApiConnection {
  readonly services = new FakeApiServer();
  readonly slices = new FakeApiServer();
  readonly nodes = new FakeApiServer();
  /** By kind and name, the count of the last removal. */
  readonly removed = new Map<string, number>();
  #count = 0;

  open(): ReturnType<ApiConnection['open']> {
    const sessions = {
      services: this.services.open(),
      slices: this.slices.open(),
      nodes: this.nodes.open(),
    };
    return Promise.resolve({
      get: async (path) =>
        (
          await sessions[
            path.includes('endpointslices') ? 'slices' : path.includes('nodes') ? 'nodes' : 'services'
          ]
        ).get(path),
      send: async () => Promise.reject(new Error('nothing is written here')),
      close: () => {
        for (const session of Object.values(sessions)) void session.then((opened) => opened.close());
      },
    });
  }

  forgetIdentity(): void {}

  put(kind: Kind, index: number): void {
    const count = ++this.#count;
    const fields = {
      services: {
        spec: { type: 'ClusterIP', externalIPs: [`10.1.0.${count % 250}`], ports: [{ port: count }] },
      },
      slices: { addressType: 'IPv4', ports: [{ port: count }], endpoints: [] },
      nodes: { status: { addresses: [{ type: 'InternalIP', address: `${count}` }] } },
    };
    this[kind].put(placeOf(kind), `name-${index}`, fields[kind]);
  }

  remove(kind: Kind, index: number): void {
    this.removed.set(`${kind} name-${index}`, ++this.#count);
    this[kind].remove(placeOf(kind), `name-${index}`);
  }

  async run(steps: readonly Step[], timers: FakeTimers): Promise<void> {
    for (const one of steps) {
      if (one.do === 'put') this.put(one.kind, one.name);
      else if (one.do === 'remove') this.remove(one.kind, one.name);
      else if (one.do === 'compact') this[one.kind].compact();
      else if (one.do === 'bookmark') this[one.kind].bookmark();
      else if (one.do === 'strike') this[one.kind].strike(one.fault);
      else if (one.do === 'fault') this[one.kind].faults.push(one.fault);
      else if (one.do === 'wait') {
        timers.advance(one.ms);
        await settle();
      } else if (one.do === 'outage') {
        this[one.kind].strike('reset');
        for (const index of one.names) this.remove(one.kind, index);
        this[one.kind].compact();
      }
    }
  }

  /** As a fresh list says it. */
  get truth(): Pick<SourceSnapshot, Kind> {
    const byName = <T extends { readonly name: string }>(objects: T[]): T[] =>
      objects.sort((a, b) => (a.name < b.name ? -1 : 1));
    const decoded = <T>(result: { readonly ok: boolean; readonly value?: T }): T => {
      if (!result.ok || result.value === undefined) throw new Error('the test made an object that is none');
      return result.value;
    };
    return {
      services: byName(this.services.objects.map((object) => decoded(decodeService(object)))),
      slices: byName(this.slices.objects.map((object) => decoded(decodeEndpointSlice(object)))),
      nodes: byName(this.nodes.objects.map((object) => decoded(decodeNode(object)))),
    };
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const placeOf = (kind: Kind): string => (kind === 'nodes' ? '' : 'default');

/** Its count. */
const writtenAt = (object: Service | EndpointSlice | KubeNode): number =>
  object.kind === 'Node' ? Number(object.internalIPs[0]) : (object.ports[0]?.port ?? 0);

/** What vanished from one snapshot to the next although the server had not removed it since it wrote it. */
function wrongLosses(
  before: SourceSnapshot,
  now: SourceSnapshot,
  removed: ReadonlyMap<string, number>,
): string[] {
  const lost: string[] = [];
  for (const kind of KINDS) {
    const left = new Set(now[kind].map((object) => object.name));
    for (const object of before[kind]) {
      const written = writtenAt(object);
      if (!left.has(object.name) && (removed.get(`${kind} ${object.name}`) ?? 0) < written)
        lost.push(object.name);
    }
  }
  return lost;
}

test(`${RUNS} histories end in what a fresh list says, and nothing vanishes on the way that was not removed`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      async (steps, randoms) => {
        const cluster = new Cluster();
        const timers = new FakeTimers();
        const source = new KubernetesSource({
          location: 'the fake',
          connection: cluster,
          namespaces: [],
          nodes: true,
          times: {
            page: 2,
            watchMin: 240_000,
            watchMax: 480_000,
            retry: { first: 500, last: 30_000 },
            retryUnreachable: 3_000,
            secondLook: 5_000,
          },
          timers,
          random: () => randoms.next().value,
        });
        let last = source.snapshot();
        const lost: string[] = [];
        await source.start(() => {
          const now = source.snapshot();
          lost.push(...wrongLosses(last, now, cluster.removed));
          last = now;
        });
        await cluster.run(steps, timers);
        for (const each of KINDS) cluster[each].faults.length = 0;
        for (let rest = 0; rest < 8; rest++) {
          timers.advance(30_001);
          await settle();
        }
        const { services, slices, nodes, synced, complete, problems } = source.snapshot();
        const connected = source.watches().map((watch) => watch.connected);
        await source.stop();
        expect(lost).toEqual([]);
        expect({ services, slices, nodes }).toEqual(cluster.truth);
        expect({ synced, complete, problems }).toEqual({ synced: true, complete: true, problems: [] });
        expect(connected).toEqual([true, true, true]);
        expect(KINDS.map((each) => cluster[each].watching)).toEqual([0, 0, 0]);
      },
    ),
    { numRuns: RUNS },
  );
}, 300_000);
