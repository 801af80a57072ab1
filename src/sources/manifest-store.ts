/**
 * What the manifest files said last, and which part of it is believed. No I/O.
 *
 * Errors and accidents lose nothing: what a broken file said before stays, a file that is gone is
 * believed gone only when no other has gone for a moment (a directory is removed file by file), and
 * the loss of every object only after a second look.
 */
import type { Problem } from '../services/desired-state.ts';
import { sortProblems } from '../services/sort-problems.ts';
import type { EndpointSlice, KubeNode, KubernetesObject, Service } from './kube-objects.ts';
import { objectKey, type ParsedManifest } from './manifest-parser.ts';
import { NOTHING_HEARD, type SourceSnapshot } from './source.ts';

/** What one file contributes. */
export interface FileState {
  readonly objects: readonly KubernetesObject[];
  readonly problems: readonly Problem[];
  /** It was read without fault at least once. */
  readonly understood: boolean;
}

/** Keeps of the previous state what the new text does not clearly replace or leave out. */
export function nextFileState(previous: FileState | undefined, parsed: ParsedManifest): FileState {
  const named = new Set(parsed.objects.map(objectKey));
  const refused = new Set(parsed.refused);
  const kept = (previous?.objects ?? []).filter((object) => {
    const key = objectKey(object);
    return !named.has(key) && (parsed.broken || refused.has(key));
  });
  return {
    objects: [...parsed.objects, ...kept],
    problems: parsed.problems,
    understood: (previous?.understood ?? false) || (!parsed.broken && refused.size === 0),
  };
}

export interface ManifestStoreOptions {
  readonly location: string;
  /** Milliseconds without a further file going before files are believed gone. */
  readonly removalSettle: number;
  /** Milliseconds before the loss of all objects is believed. */
  readonly secondLook: number;
}

export interface Settled {
  /** The snapshot is another than before. */
  readonly changed: boolean;
  /** When a doubt should be looked at again, in the time of `now`. */
  readonly lookAgainAt?: number;
}

type Merged = Pick<SourceSnapshot, 'services' | 'slices' | 'nodes' | 'problems' | 'complete'>;

export class ManifestStore {
  readonly #files = new Map<string, FileState>();
  readonly #missing = new Set<string>();
  readonly #options: ManifestStoreOptions;
  #lastMissingAt = 0;
  /** What is doubted, and since when. */
  #loss: { readonly what: Loss['what']; readonly since: number } | undefined;
  #snapshot: SourceSnapshot = NOTHING_HEARD;

  constructor(options: ManifestStoreOptions) {
    this.#options = options;
  }

  get snapshot(): SourceSnapshot {
    return this.#snapshot;
  }

  /** A file has this text now. */
  read(name: string, parsed: ParsedManifest): void {
    this.#missing.delete(name);
    this.#files.set(name, nextFileState(this.#files.get(name), parsed));
  }

  /** A file is there as it was. */
  unchanged(name: string): void {
    this.#missing.delete(name);
  }

  /** A file is not there. */
  gone(name: string, now: number): void {
    if (!this.#files.has(name) || this.#missing.has(name)) return;
    this.#missing.add(name);
    this.#lastMissingAt = now;
  }

  /** The directory could not be listed: everything stays, with this problem beside it. */
  unreadable(problem: Problem): Settled {
    // What seemed to go may have gone with the directory.
    this.#missing.clear();
    this.#loss = undefined;
    const problems = sortProblems([problem, ...this.#mergeFiles().problems]);
    return this.#replace({ ...this.#snapshot, problems }, undefined);
  }

  /** Call after a look at the directory: decides what of it is believed. */
  settle(now: number): Settled {
    let lookAgainAt: number | undefined;
    if (this.#missing.size > 0) {
      const settledAt = this.#lastMissingAt + this.#options.removalSettle;
      if (now < settledAt) lookAgainAt = settledAt;
      else {
        for (const name of this.#missing) this.#files.delete(name);
        this.#missing.clear();
      }
    }
    const merged = this.#mergeFiles();
    const loss = lossOf(this.#snapshot, merged);
    if (loss !== undefined) {
      if (this.#loss?.what !== loss.what) this.#loss = { what: loss.what, since: now };
      const believedAt = this.#loss.since + this.#options.secondLook;
      if (now < believedAt) {
        const problems = sortProblems([this.#emptyProblem(loss), ...merged.problems]);
        return this.#replace(
          { ...this.#snapshot, problems },
          Math.min(believedAt, lookAgainAt ?? believedAt),
        );
      }
    }
    this.#loss = undefined;
    const objectsChanged =
      !sameItems(merged.services, this.#snapshot.services) ||
      !sameItems(merged.slices, this.#snapshot.slices) ||
      !sameItems(merged.nodes, this.#snapshot.nodes);
    const lastChangeAt = objectsChanged ? now : this.#snapshot.lastChangeAt;
    const next = { ...merged, synced: true, ...(lastChangeAt === undefined ? {} : { lastChangeAt }) };
    return this.#replace(next, lookAgainAt);
  }

  #replace(next: SourceSnapshot, lookAgainAt: number | undefined): Settled {
    const before = this.#snapshot;
    this.#snapshot = next;
    const changed =
      before.synced !== next.synced ||
      before.complete !== next.complete ||
      !sameItems(before.services, next.services) ||
      !sameItems(before.slices, next.slices) ||
      !sameItems(before.nodes, next.nodes) ||
      JSON.stringify(before.problems) !== JSON.stringify(next.problems);
    return lookAgainAt === undefined ? { changed } : { changed, lookAgainAt };
  }

  #emptyProblem({ had, what }: Loss): Problem {
    const { location, secondLook } = this.#options;
    const message =
      had > 0
        ? `${location} has no ${what} any more; the ${had} known ones stay until a second look after ${secondLook} ms`
        : `${location} has no ${what}; this is believed after a second look in ${secondLook} ms`;
    return { severity: 'warning', code: 'source-empty', message, file: location };
  }

  #mergeFiles(): Merged {
    return mergeFiles(this.#files);
  }
}

/** What is suddenly, or at the start, not there at all. */
interface Loss {
  readonly what: 'object' | 'Node';
  /** How many there were. */
  readonly had: number;
}

function lossOf(before: SourceSnapshot, merged: Merged): Loss | undefined {
  const had = before.services.length + before.slices.length;
  const has = merged.services.length + merged.slices.length;
  if (has === 0 && (had > 0 || !before.synced)) return { what: 'object', had };
  const nodes = before.nodes.length;
  return nodes > 0 && merged.nodes.length === 0 ? { what: 'Node', had: nodes } : undefined;
}

/** Files by name; the first that has an object wins, the others are told. */
export function mergeFiles(files: ReadonlyMap<string, FileState>): Merged {
  const services = new Map<string, Service>();
  const slices = new Map<string, EndpointSlice>();
  const nodes = new Map<string, KubeNode>();
  const problems: Problem[] = [];
  let complete = true;
  for (const name of [...files.keys()].sort()) {
    const file = files.get(name);
    if (file === undefined) continue;
    complete &&= file.understood;
    problems.push(...file.problems);
    for (const object of file.objects) {
      const key = `${object.namespace}/${object.name}`;
      const first = { Service: services, EndpointSlice: slices, Node: nodes }[object.kind].get(key);
      if (first !== undefined) problems.push(duplicateProblem(object, first));
      else if (object.kind === 'Service') services.set(key, object);
      else if (object.kind === 'EndpointSlice') slices.set(key, object);
      else nodes.set(key, object);
    }
  }
  return {
    services: sorted(services),
    slices: sorted(slices),
    nodes: sorted(nodes),
    problems: sortProblems(problems),
    complete,
  };
}

function duplicateProblem(object: KubernetesObject, first: KubernetesObject): Problem {
  const { kind, namespace, name, origin } = object;
  const place = `${first.origin?.file}:${first.origin?.line}`;
  return {
    severity: 'error',
    code: 'duplicate-object',
    message: `${kind} ${namespace === '' ? '' : `${namespace}/`}${name} is already in ${place}, which is used; remove one of them`,
    object: { kind, namespace, name },
    ...(origin === undefined ? {} : { file: origin.file, line: origin.line }),
  };
}

/** Keys are namespace/name, and neither part holds a character below "-" but "/", so keys sort as pairs do. */
function sorted<T>(objects: ReadonlyMap<string, T>): T[] {
  return [...objects.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
