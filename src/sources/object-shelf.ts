/**
 * Objects of one kind as an API server said last, in order. What cannot be decoded stays as it was,
 * with a problem beside it. No I/O.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '../services/desired-state.ts';
import type { Decoded } from './decoding.ts';
import type { KubernetesObject } from './kube-objects.ts';

/** What is kept of an object that was heard. */
export interface ShelfItem<T> {
  /** namespace/name; of what has no namespace /name. */
  readonly key: string;
  /** The same version is the same object. */
  readonly version: string;
  /** Not there: the shelf has this version already. */
  readonly decoded?: Decoded<T>;
}

interface Entry<T> {
  /** The last that said this. */
  version: string;
  /** The last that could be decoded. */
  readonly value?: T;
  readonly problem?: Problem;
}

export class ObjectShelf<T extends KubernetesObject> {
  readonly #kind: KubernetesObject['kind'];
  #entries = new Map<string, Entry<T>>();
  /** Keys with a problem, or with nothing decoded. */
  readonly #troubled = new Set<string>();
  #sorted: readonly T[] = [];
  /** Keys whose object in #sorted may be out of date. */
  #stale = new Set<string>();

  constructor(kind: KubernetesObject['kind']) {
    this.#kind = kind;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * What is to be kept of an object: identity and version, which every object of the API has, and the rest
   * if the version is a new one. Throws if it has no name.
   */
  read(object: unknown, decode: (object: unknown) => Decoded<T>): ShelfItem<T> {
    const { metadata } = (object ?? {}) as { metadata?: Record<string, unknown> | null };
    const { namespace, name, uid, resourceVersion } = metadata ?? {};
    const isPlaced = typeof namespace === 'string' || this.#kind === 'Node';
    if (!isPlaced || typeof name !== 'string') throw new Error('an object without a name');
    const key = `${namespace ?? ''}/${name}`;
    const version = `${uid} ${resourceVersion}`;
    const isKnown = this.#entries.get(key)?.version === version;
    return isKnown ? { key, version } : { key, version, decoded: decode(object) };
  }

  /**
   * Says what was heard, which is everything; true: something is another than before. May pause, and until
   * its end the shelf is as it was; nothing else may be said to it meanwhile. When it throws, it stays so.
   */
  *replace(items: readonly ShelfItem<T>[]): Generator<void, boolean> {
    const entries = new Map<string, Entry<T>>();
    for (const item of items) {
      entries.set(item.key, this.#entryOf(item));
      yield;
    }
    const changed: string[] = [];
    for (const [key, entry] of entries) {
      if (this.#entries.get(key) !== entry) changed.push(key);
      yield;
    }
    for (const key of this.#entries.keys()) if (!entries.has(key)) changed.push(key);
    if (changed.length === 0) return false;
    const sorted = changed.length > MOST_TO_PATCH ? yield* sortedValues(entries) : undefined;
    this.#entries = entries;
    for (const key of changed) this.#note(key);
    if (sorted !== undefined) {
      this.#sorted = sorted;
      this.#stale = new Set();
    }
    return true;
  }

  upsert(item: ShelfItem<T>): boolean {
    const entry = this.#entryOf(item);
    if (this.#entries.get(item.key) === entry) return false;
    this.#entries.set(item.key, entry);
    this.#note(item.key);
    return true;
  }

  /** The same entry, if the shelf has this version. */
  #entryOf({ key, version, decoded }: ShelfItem<T>): Entry<T> {
    const entry = this.#entries.get(key);
    if (entry?.version === version) return entry;
    if (decoded === undefined) throw new Error(`version ${version} of ${key} is not known any more`);
    if (decoded.ok) {
      if (
        entry !== undefined &&
        entry.problem === undefined &&
        isDeepStrictEqual(entry.value, decoded.value)
      ) {
        // Nothing is new to us: what a node's kubelet writes every few minutes.
        entry.version = version;
        return entry;
      }
      return { version, value: decoded.value };
    }
    const [namespace = '', name = ''] = key.split('/');
    const [issue] = decoded.issues;
    const known = entry?.value;
    const rest = known === undefined ? 'it is left out' : 'the object stays as it was';
    const message = `${issue?.path.join('.')}: ${issue?.message}; ${rest} until this is mended`;
    const object = { kind: this.#kind, namespace, name };
    const problem: Problem = { severity: 'error', code: 'invalid-object', message, object };
    return known === undefined ? { version, problem } : { version, value: known, problem };
  }

  /** The entry is another than before. */
  #note(key: string): void {
    this.#stale.add(key);
    if (this.#entries.get(key)?.problem === undefined) this.#troubled.delete(key);
    else this.#troubled.add(key);
  }

  remove({ key }: { readonly key: string }): boolean {
    if (!this.#entries.delete(key)) return false;
    this.#note(key);
    return true;
  }

  /** By key. The same array until something changes. */
  objects(): readonly T[] {
    if (this.#stale.size === 0) return this.#sorted;
    // A splice moves memory only; sorting compares strings.
    this.#sorted = this.#patch();
    this.#stale = new Set();
    return this.#sorted;
  }

  problems(): Problem[] {
    return [...this.#troubled].flatMap((key) => this.#entries.get(key)?.problem ?? []);
  }

  /** Everything was decoded at least once. */
  get complete(): boolean {
    for (const key of this.#troubled) if (this.#entries.get(key)?.value === undefined) return false;
    return true;
  }

  /** The list with the stale keys' objects replaced: what lies between two of them is copied as it is. */
  #patch(): readonly T[] {
    const before = this.#sorted;
    // Memory is copied as a whole quicker than one by one.
    if (this.#stale.size === 1) return this.#patchOne([...before], [...this.#stale][0] as string);
    const after: T[] = [];
    let from = 0;
    for (const key of [...this.#stale].sort()) {
      const index = lowerBound(before, key, from);
      for (let i = from; i < index; i++) after.push(before[i] as T);
      const found = before[index];
      from = found !== undefined && keyOf(found) === key ? index + 1 : index;
      const value = this.#entries.get(key)?.value;
      if (value !== undefined) after.push(value);
    }
    for (let i = from; i < before.length; i++) after.push(before[i] as T);
    return after;
  }

  #patchOne(sorted: T[], key: string): readonly T[] {
    const index = lowerBound(sorted, key, 0);
    const found = sorted[index];
    const there = found !== undefined && keyOf(found) === key ? 1 : 0;
    const value = this.#entries.get(key)?.value;
    sorted.splice(index, there, ...(value === undefined ? [] : [value]));
    return sorted;
  }
}

/** Up to so many changes, finding their places takes less than sorting everything. */
const MOST_TO_PATCH = 2_000;

/** By key. Servers give lists in this order, so there is mostly nothing to sort. May pause. */
function* sortedValues<T>(entries: ReadonlyMap<string, Entry<T>>): Generator<void, T[]> {
  const found: Array<readonly [string, T]> = [];
  let isSorted = true;
  let last = '';
  for (const [key, { value }] of entries) {
    isSorted &&= last <= key;
    last = key;
    if (value !== undefined) found.push([key, value]);
    yield;
  }
  if (!isSorted) found.sort(([a], [b]) => (a < b ? -1 : 1));
  return found.map(([, value]) => value);
}

function keyOf({ namespace, name }: KubernetesObject): string {
  return `${namespace}/${name}`;
}

/** The first index, not before `from`, whose key is not below `key`. */
function lowerBound(sorted: readonly KubernetesObject[], key: string, from: number): number {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const object = sorted[middle];
    if (object !== undefined && keyOf(object) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
