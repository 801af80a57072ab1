/**
 * Objects of one kind as an API server said last, in order. What cannot be decoded stays as it was,
 * with a problem beside it. No I/O.
 */
import type { Problem } from '../services/desired-state.ts';
import type { Decoded } from './kube-decoders.ts';
import type { KubernetesObject } from './kube-objects.ts';

/** What is kept of an object that was heard. */
export interface ShelfItem<T> {
  /** namespace/name */
  readonly key: string;
  /** The same version is the same object. */
  readonly version: string;
  /** Not there: the shelf has this version already. */
  readonly decoded?: Decoded<T>;
}

interface Entry<T> {
  readonly version: string;
  /** The last that could be decoded. */
  readonly value?: T;
  readonly problem?: Problem;
}

export class ObjectShelf<T extends KubernetesObject> {
  readonly #kind: KubernetesObject['kind'];
  readonly #entries = new Map<string, Entry<T>>();
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
    if (typeof namespace !== 'string' || typeof name !== 'string')
      throw new Error('an object without a name');
    const key = `${namespace}/${name}`;
    const version = `${uid} ${resourceVersion}`;
    const isKnown = this.#entries.get(key)?.version === version;
    return isKnown ? { key, version } : { key, version, decoded: decode(object) };
  }

  /** Says what was heard; true: something is another than before. */
  replace(items: readonly ShelfItem<T>[]): boolean {
    const gone = new Set(this.#entries.keys());
    let changed = false;
    for (const item of items) {
      gone.delete(item.key);
      changed = this.upsert(item) || changed;
    }
    for (const key of gone) this.remove({ key });
    return changed || gone.size > 0;
  }

  upsert({ key, version, decoded }: ShelfItem<T>): boolean {
    if (this.#entries.get(key)?.version === version) return false;
    if (decoded === undefined) throw new Error(`version ${version} of ${key} is not known any more`);
    if (decoded.ok) {
      this.#entries.set(key, { version, value: decoded.value });
      this.#troubled.delete(key);
      this.#stale.add(key);
      return true;
    }
    const [namespace = '', name = ''] = key.split('/');
    const [issue] = decoded.issues;
    const known = this.#entries.get(key)?.value;
    const rest = known === undefined ? 'it is left out' : 'the object stays as it was';
    const message = `${issue?.path.join('.')}: ${issue?.message}; ${rest} until this is mended`;
    const object = { kind: this.#kind, namespace, name };
    this.#entries.set(key, {
      version,
      ...(known === undefined ? {} : { value: known }),
      problem: { severity: 'error', code: 'invalid-object', message, object },
    });
    this.#troubled.add(key);
    return true;
  }

  remove({ key }: { readonly key: string }): boolean {
    if (!this.#entries.delete(key)) return false;
    this.#troubled.delete(key);
    this.#stale.add(key);
    return true;
  }

  /** By key. The same array until something changes. */
  objects(): readonly T[] {
    if (this.#stale.size === 0) return this.#sorted;
    // A splice moves memory only; sorting compares strings.
    this.#sorted = this.#stale.size > 200 ? this.#sort() : this.#patch();
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

  #sort(): T[] {
    const values = [...this.#entries].flatMap(([key, { value }]): [string, T][] =>
      value === undefined ? [] : [[key, value]],
    );
    return values.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
  }

  #patch(): T[] {
    const sorted = [...this.#sorted];
    for (const key of this.#stale) {
      const index = lowerBound(sorted, key);
      const found = sorted[index];
      const there = found !== undefined && keyOf(found) === key ? 1 : 0;
      const value = this.#entries.get(key)?.value;
      sorted.splice(index, there, ...(value === undefined ? [] : [value]));
    }
    return sorted;
  }
}

function keyOf({ namespace, name }: KubernetesObject): string {
  return `${namespace}/${name}`;
}

/** The first index whose key is not below `key`. */
function lowerBound(sorted: readonly KubernetesObject[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const object = sorted[middle];
    if (object !== undefined && keyOf(object) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
