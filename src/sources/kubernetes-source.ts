/**
 * An API server as a source: follows Services and EndpointSlices, and Nodes if asked to. While it cannot be asked, what it
 * said last stays, with a problem beside it.
 */
import type { ApiConnection } from '../kubernetes/api-connection.ts';
import { Reflector, type ReflectorState, type ReflectorTimes } from '../kubernetes/reflector.ts';
import { systemTimers, type Timers } from '../node/timers.ts';
import type { Problem } from '../services/desired-state.ts';
import { sortProblems } from '../services/sort-problems.ts';
import { runInSlices } from '../slices/run-in-slices.ts';
import type { Decoded } from './decoding.ts';
import { decodeEndpointSlice, decodeService, SERVICE_NAME_LABEL } from './kube-decoders.ts';
import type { EndpointSlice, KubeNode, KubernetesObject, Service } from './kube-objects.ts';
import { decodeNode } from './node-decoder.ts';
import { ObjectShelf, type ShelfItem } from './object-shelf.ts';
import { NOTHING_HEARD, type Source, type SourceSnapshot, type WatchStatus } from './source.ts';
import { watchProblems, watchStatus } from './watch-problems.ts';

export interface KubernetesSourceOptions {
  /** For people. */
  readonly location: string;
  readonly connection: ApiConnection;
  /** None: all of the cluster. */
  readonly namespaces: readonly string[];
  /** Nodes are followed too, which have no namespace. */
  readonly nodes: boolean;
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

/** What all parts can, whatever their kind. */
interface AnyPart {
  readonly namespace: string;
  readonly shelf: Pick<ObjectShelf<KubernetesObject>, 'problems' | 'complete'>;
  readonly reflector: {
    readonly state: ReflectorState;
    start(): void;
    stop(): Promise<void>;
  };
}

export class KubernetesSource implements Source {
  readonly kind = 'kubernetes';
  readonly location: string;
  readonly #options: KubernetesSourceOptions;
  readonly #timers: Timers;
  readonly #services: ReadonlyArray<Part<Service>>;
  readonly #slices: ReadonlyArray<Part<EndpointSlice>>;
  /** None, or one. */
  readonly #nodes: ReadonlyArray<Part<KubeNode>>;
  #onChange: () => void = () => {};
  #stale = false;
  #lastChangeAt: number | undefined;
  #snapshot: SourceSnapshot = NOTHING_HEARD;

  constructor(options: KubernetesSourceOptions) {
    this.location = options.location;
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    const { namespaces, nodes } = options;
    const places = namespaces.length === 0 ? [''] : [...new Set(namespaces)].sort();
    this.#services = places.map((place) =>
      this.#follow('Service', decodeService, resourcePath('/api/v1', place, 'services')),
    );
    // Without the label a slice is no Service's.
    this.#slices = places.map((place) => {
      const path = resourcePath('/apis/discovery.k8s.io/v1', place, 'endpointslices');
      return this.#follow('EndpointSlice', decodeEndpointSlice, path, SERVICE_NAME_LABEL);
    });
    this.#nodes = nodes ? [this.#follow('Node', decodeNode, resourcePath('/api/v1', '', 'nodes'))] : [];
  }

  async start(onChange: () => void): Promise<void> {
    this.#onChange = onChange;
    for (const { reflector } of this.#parts) reflector.start();
  }

  async stop(): Promise<void> {
    this.#onChange = () => {};
    await Promise.all(this.#parts.map(({ reflector }) => reflector.stop()));
  }

  watches(): readonly WatchStatus[] {
    return this.#kinds.map(([kind, parts]) =>
      watchStatus(
        kind,
        parts.map(({ reflector }) => reflector.state),
      ),
    );
  }

  snapshot(): SourceSnapshot {
    if (!this.#stale) return this.#snapshot;
    this.#stale = false;
    const shelves = this.#parts.map(({ shelf }) => shelf);
    const lastChangeAt = this.#lastChangeAt;
    this.#snapshot = {
      services: joined(this.#services, this.#snapshot.services),
      slices: joined(this.#slices, this.#snapshot.slices),
      nodes: joined(this.#nodes, this.#snapshot.nodes),
      problems: sortProblems([
        ...shelves.flatMap((shelf) => shelf.problems()),
        ...this.#kinds.flatMap(([kind, parts]) => this.#problemsOf(kind, parts)),
      ]),
      synced: this.watches().every(({ synced }) => synced),
      complete: shelves.every(({ complete }) => complete),
      ...(lastChangeAt === undefined ? {} : { lastChangeAt }),
    };
    return this.#snapshot;
  }

  get #kinds(): ReadonlyArray<readonly [WatchStatus['kind'], ReadonlyArray<AnyPart>]> {
    const nodes = [['Node', this.#nodes] as const];
    return [
      ['Service', this.#services],
      ['EndpointSlice', this.#slices],
      ...(this.#nodes.length > 0 ? nodes : []),
    ];
  }

  get #parts(): AnyPart[] {
    return [...this.#services, ...this.#slices, ...this.#nodes];
  }

  #follow<T extends KubernetesObject>(
    kind: T['kind'],
    decode: (object: unknown) => Decoded<T>,
    { namespace, path }: ResourcePath,
    labelSelector?: string,
  ): Part<T> {
    const { connection, times, random = Math.random } = this.#options;
    const shelf = new ObjectShelf<T>(kind);
    const reflector = new Reflector<ShelfItem<T>>({
      connection,
      path,
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

  #problemsOf(kind: KubernetesObject['kind'], parts: readonly AnyPart[]): Problem[] {
    const now = this.#timers.now();
    return parts.flatMap(({ namespace, reflector }) =>
      watchProblems({ kind, namespace, state: reflector.state }, this.location, now),
    );
  }
}

interface ResourcePath {
  /** '' for all of the cluster. */
  readonly namespace: string;
  readonly path: string;
}

function resourcePath(group: string, namespace: string, resource: string): ResourcePath {
  const place = namespace === '' ? '' : `/namespaces/${namespace}`;
  return { namespace, path: `${group}${place}/${resource}` };
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
