/** What is in the pinned maps, seen from outside of the agent. */
import { readReferences } from '../../../src/dataplane/frontend-index.ts';
import { type DataplaneMaps, openPinnedDataplane } from '../../../src/dataplane/maps.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { backend, backendState, service } from '../../../src/layout/generated.ts';
import { runAtOnce } from '../../../src/slices/run-in-slices.ts';
import { PINS } from './agent-process.ts';

const IPV4_BYTES = 4;

export class PinnedState {
  readonly #maps: DataplaneMaps;
  readonly #kernel: Kernel;

  private constructor(maps: DataplaneMaps, kernel: Kernel) {
    this.#maps = maps;
    this.#kernel = kernel;
  }

  /** Undefined while there are no maps. */
  static open(kernel: Kernel): PinnedState | undefined {
    try {
      const maps = openPinnedDataplane(kernel, PINS, 'read');
      return maps === undefined ? undefined : new PinnedState(maps, kernel);
    } catch {
      return undefined; // some of them are not pinned yet
    }
  }

  /** Services that packets reach: a frontend leads there, and the table is live. */
  servedServices(): number {
    const { view, stride } = this.#maps.arrays.services;
    return runAtOnce(readReferences(this.#maps, this.#kernel)).filter(
      ({ service: index }) => view.getBigUint64(index * stride + service.offsets.table, true) !== 0n,
    ).length;
  }

  /** Backends that take new flows. */
  activeBackends(): number {
    const { memory, stride, entries } = this.#maps.arrays.backends;
    let count = 0;
    for (let index = 0; index < entries; index++) {
      if (memory[index * stride + backend.offsets.state] === backendState.BACKEND_ACTIVE) count += 1;
    }
    return count;
  }

  /** By VIP: where the service's table word lies. IPv4 only. */
  tableWords(): Map<string, number> {
    const { memory, view, stride, entries } = this.#maps.arrays.services;
    const found = new Map<string, number>();
    for (let index = 1; index < entries; index++) {
      const key = index * stride + service.offsets.key;
      if (view.getUint16(key + 16, false) !== 80) continue;
      found.set(
        [...memory.subarray(key, key + IPV4_BYTES)].join('.'),
        index * stride + service.offsets.table,
      );
    }
    return found;
  }

  wordAt(offset: number): bigint {
    return this.#maps.arrays.services.view.getBigUint64(offset, true);
  }
}
