/** Stores that end the agent at a chosen one, and that watch over what packets in flight may still read. */
import type { DataplaneMaps } from '../../src/dataplane/maps.ts';
import type { Stores } from '../../src/dataplane/stores.ts';
import { backend, nextHop, service } from '../../src/layout/generated.ts';
import type { Reachable } from './invariants.ts';

/** Thrown in place of kill -9. */
export class Killed extends Error {}

/**
 * Passes `count` stores, then throws. A store of bytes is torn: half of it is done before the end.
 * Every store after the first Killed throws too, as a dead agent writes nothing.
 */
export function killAfter(inner: Stores, count: number): Stores {
  let left = count;
  const step = (half?: () => void): void => {
    left -= 1;
    if (left >= 0) return;
    if (left === -1) half?.();
    throw new Killed(`after ${count} stores`);
  };
  return {
    word(array, offset, value) {
      step();
      inner.word(array, offset, value);
    },
    bytes(array, offset, bytes) {
      step(() => inner.bytes(array, offset, bytes.subarray(0, bytes.length >> 1)));
      inner.bytes(array, offset, bytes);
    },
    put(map, key, value) {
      step();
      inner.put(map, key, value);
    },
    remove(map, key) {
      step();
      inner.remove(map, key);
    },
    clearCounters(map, first, number) {
      step();
      inner.clearCounters(map, first, number);
    },
  };
}

/**
 * Throws when bytes are written to a place that a packet could get to at any moment since the last grace
 * period: it may still be reading there. `look` returns what is reachable now, or throws.
 */
export class GraceWatch {
  #seen: Reachable;
  readonly #look: () => Reachable;

  constructor(look: () => Reachable) {
    this.#look = look;
    this.#seen = look();
  }

  /** Only what is reachable now can be read by packets that begin from here on. */
  gracePeriodEnded(): void {
    this.#seen = this.#look();
  }

  watch(inner: Stores, maps: DataplaneMaps): Stores {
    const { services, backends, maglev_slots: slots, next_hops: nextHops } = maps.arrays;
    const done = (): void => {
      const now = this.#look();
      for (const what of ['services', 'backends', 'lines', 'nextHops'] as const) {
        for (const index of now[what]) this.#seen[what].add(index);
      }
    };
    const refuse = (
      what: 'services' | 'backends' | 'lines' | 'nextHops',
      first: number,
      last: number,
    ): void => {
      for (let index = first; index <= last; index++) {
        if (this.#seen[what].has(index)) {
          throw new Error(`${what} ${index} is written while packets may read it`);
        }
      }
    };
    return {
      word(array, offset, value) {
        inner.word(array, offset, value);
        done();
      },
      bytes(array, offset, bytes) {
        const first = Math.floor(offset / array.stride);
        const last = Math.floor((offset + bytes.length - 1) / array.stride);
        if (array === slots) refuse('lines', first, last);
        if (array === backends && offset % backend.size < backend.offsets.generation) {
          refuse('backends', first, last);
        }
        if (array === nextHops && offset % nextHop.size === 0) refuse('nextHops', first, last);
        if (array === services && offset % service.size < service.offsets.generation) {
          refuse('services', first, last);
        }
        inner.bytes(array, offset, bytes);
        done();
      },
      put(map, key, value) {
        inner.put(map, key, value);
        done();
      },
      remove(map, key) {
        inner.remove(map, key);
        done();
      },
      clearCounters: (map, first, count) => inner.clearCounters(map, first, count),
    };
  }
}
