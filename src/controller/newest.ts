/**
 * Services as new as we know them: what the watch said, or what the server answered us since, which the
 * watch has yet to say. Without it an address just given would look free. No I/O.
 */
import type { Service } from '../sources/kube-objects.ts';
import { keyOf } from './wishes.ts';

/** A watch that is silent for longer is given up, and what follows is a list of everything. */
const BEHIND_MS = 120_000;

interface Ahead {
  readonly service: Service;
  readonly until: number;
  /** The watch has had it: when it has it no longer, it is gone. */
  seen: boolean;
}

export class NewestServices {
  readonly #ahead = new Map<string, Ahead>();
  #watched: readonly Service[] = [];
  /** Of #watched, once asked for. */
  #uids: Set<string | undefined> | undefined;

  /** The server has just said so. `now` in milliseconds. */
  note(service: Service, now: number): void {
    const key = keyOf(service);
    const known = this.#ahead.get(key);
    if (known !== undefined && isNewer(known.service, service)) return;
    this.#uids ??= new Set(this.#watched.map(({ uid }) => uid));
    this.#ahead.set(key, { service, until: now + BEHIND_MS, seen: this.#uids.has(service.uid) });
  }

  /** The server has just said that there is none. */
  forget(service: Pick<Service, 'namespace' | 'name'>): void {
    this.#ahead.delete(keyOf(service));
  }

  /** The same array, if the watch is not behind. */
  merge(watched: readonly Service[], now: number): readonly Service[] {
    if (this.#watched !== watched) this.#uids = undefined;
    this.#watched = watched;
    if (this.#ahead.size === 0) return watched;
    const there = new Set<string>();
    const merged = watched.map((service) => {
      const key = keyOf(service);
      there.add(key);
      const ahead = this.#ahead.get(key);
      if (ahead === undefined) return service;
      if (isNewer(ahead.service, service)) {
        ahead.seen ||= ahead.service.uid === service.uid;
        return ahead.service;
      }
      this.#ahead.delete(key);
      return service;
    });
    for (const [key, { service, until, seen }] of this.#ahead) {
      if (there.has(key)) continue;
      // What the watch never had is new to it.
      if (seen || until <= now) this.#ahead.delete(key);
      else merged.push(service);
    }
    return this.#ahead.size === 0 && merged.every((each, index) => each === watched[index])
      ? watched
      : merged;
  }
}

/** Versions are numbers that grow, which the API promises since 1.35 and etcd always did. */
function isNewer(a: Service, b: Service): boolean {
  const [x, y] = [a.version ?? '', b.version ?? ''];
  return x.length === y.length ? x > y : x.length > y.length;
}
