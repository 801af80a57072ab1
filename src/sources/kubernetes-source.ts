/**
 * An API server as a source: follows Services and EndpointSlices. While it cannot be asked, what it
 * said last stays, with a problem beside it.
 */
import type { ApiConnection } from '../kubernetes/api-connection.ts';
import { Reflector, type ReflectorState, type ReflectorTimes } from '../kubernetes/reflector.ts';
import { systemTimers, type Timers } from '../node/timers.ts';
import type { Problem } from '../services/desired-state.ts';
import { sortProblems } from '../services/sort-problems.ts';
import { runInSlices } from '../slices/run-in-slices.ts';
import { type Decoded, decodeEndpointSlice, decodeService, SERVICE_NAME_LABEL } from './kube-decoders.ts';
import type { EndpointSlice, KubernetesObject, Service } from './kube-objects.ts';
import { ObjectShelf, type ShelfItem } from './object-shelf.ts';
import type { Source, SourceSnapshot, WatchStatus } from './source.ts';
import { watchProblems, watchStatus } from './watch-problems.ts';

export interface KubernetesSourceOptions {
  /** For people. */
  readonly location: string;
  readonly connection: ApiConnection;
  /** None: all of the cluster. */
  readonly namespaces: readonly string[];
  readonly times: ReflectorTimes;
  readonly timers?: Timers;
  readonly random?: () => number;
}

interface Part<T extends KubernetesObject> {
  /** '' for all of the cluster. */
  readonly namespace: string;
  readonly shelf: ObjectShelf<T>;
  readonly reflector: Reflector<ShelfItem<T>>;
}

export class KubernetesSource implements Source {
  readonly kind = 'kubernetes';
  readonly location: string;
  readonly #options: KubernetesSourceOptions;
  readonly #timers: Timers;
  readonly #services: ReadonlyArray<Part<Service>>;
  readonly #slices: ReadonlyArray<Part<EndpointSlice>>;
  #onChange: () => void = () => {};
  #stale = false;
  #lastChangeAt: number | undefined;
  #snapshot: SourceSnapshot = { services: [], slices: [], problems: [], synced: false, complete: false };

  constructor(options: KubernetesSourceOptions) {
    this.location = options.location;
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#services = this.#follow('Service', decodeService, '/api/v1', 'services');
    const group = '/apis/discovery.k8s.io/v1';
    // Without the label a slice is no Service's.
    this.#slices = this.#follow(
      'EndpointSlice',
      decodeEndpointSlice,
      group,
      'endpointslices',
      SERVICE_NAME_LABEL,
    );
  }

  async start(onChange: () => void): Promise<void> {
    this.#onChange = onChange;
    for (const { reflector } of [...this.#services, ...this.#slices]) reflector.start();
  }

  async stop(): Promise<void> {
    this.#onChange = () => {};
    await Promise.all([...this.#services, ...this.#slices].map(({ reflector }) => reflector.stop()));
  }

  watches(): readonly WatchStatus[] {
    return [
      watchStatus(
        'Service',
        this.#services.map(({ reflector }) => reflector.state),
      ),
      watchStatus(
        'EndpointSlice',
        this.#slices.map(({ reflector }) => reflector.state),
      ),
    ];
  }

  snapshot(): SourceSnapshot {
    if (!this.#stale) return this.#snapshot;
    this.#stale = false;
    const shelves = [...this.#services, ...this.#slices].map(({ shelf }) => shelf);
    const lastChangeAt = this.#lastChangeAt;
    this.#snapshot = {
      services: joined(this.#services, this.#snapshot.services),
      slices: joined(this.#slices, this.#snapshot.slices),
      problems: sortProblems([
        ...shelves.flatMap((shelf) => shelf.problems()),
        ...this.#problemsOf('Service', this.#services),
        ...this.#problemsOf('EndpointSlice', this.#slices),
      ]),
      synced: this.watches().every(({ synced }) => synced),
      complete: shelves.every(({ complete }) => complete),
      ...(lastChangeAt === undefined ? {} : { lastChangeAt }),
    };
    return this.#snapshot;
  }

  #follow<T extends KubernetesObject>(
    kind: T['kind'],
    decode: (object: unknown) => Decoded<T>,
    group: string,
    resource: string,
    labelSelector?: string,
  ): Array<Part<T>> {
    const { connection, times, namespaces, random = Math.random } = this.#options;
    const places = namespaces.length === 0 ? [''] : [...new Set(namespaces)].sort();
    return places.map((namespace) => {
      const shelf = new ObjectShelf<T>(kind);
      const reflector = new Reflector<ShelfItem<T>>({
        connection,
        path: namespace === '' ? `${group}/${resource}` : `${group}/namespaces/${namespace}/${resource}`,
        ...(labelSelector === undefined ? {} : { labelSelector }),
        handler: {
          read: (object) => shelf.read(object, decode),
          replace: async (items) => this.#heard(await runInSlices(shelf.replace(items))),
          upsert: (item) => this.#heard(shelf.upsert(item)),
          remove: (item) => this.#heard(shelf.remove(item)),
          get size() {
            return shelf.size;
          },
        },
        onState: () => this.#tell(),
        times,
        timers: this.#timers,
        random,
      });
      return { namespace, shelf, reflector };
    });
  }

  #heard(changed: boolean): void {
    if (!changed) return;
    this.#lastChangeAt = this.#timers.now();
    this.#tell();
  }

  #tell(): void {
    this.#stale = true;
    this.#onChange();
  }

  #problemsOf(
    kind: KubernetesObject['kind'],
    parts: ReadonlyArray<{
      readonly namespace: string;
      readonly reflector: { readonly state: ReflectorState };
    }>,
  ): Problem[] {
    const now = this.#timers.now();
    return parts.flatMap(({ namespace, reflector }) =>
      watchProblems({ kind, namespace, state: reflector.state }, this.location, now),
    );
  }
}

/** The parts are in the order of their namespaces. The array of before, if it is the same. */
function joined<T extends KubernetesObject>(
  parts: ReadonlyArray<Part<T>>,
  before: readonly T[],
): readonly T[] {
  const [first, ...others] = parts;
  if (first !== undefined && others.length === 0) return first.shelf.objects();
  const all = parts.flatMap(({ shelf }) => shelf.objects());
  return all.length === before.length && all.every((object, index) => object === before[index])
    ? before
    : all;
}
