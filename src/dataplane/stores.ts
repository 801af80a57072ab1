/**
 * The only way in which the agent writes to the maps. Everything that changes what packets see goes
 * through here, one store after the other, so that tests can end the agent between any two of them.
 */
import type { BpfMap, Kernel } from '../kernel/kernel.ts';
import type { MappedArray } from './maps.ts';

export interface Stores {
  /** One aligned store of 8 bytes: publishes, switches or withdraws. `offset` in bytes. */
  word(array: MappedArray, offset: number, value: bigint): void;
  /** Bytes that no packet reads yet, or fields that may be read half old and half new. */
  bytes(array: MappedArray, offset: number, bytes: Uint8Array): void;
  put(map: BpfMap, key: Uint8Array, value: Uint8Array): void;
  remove(map: BpfMap, key: Uint8Array): void;
  clearCounters(map: BpfMap, first: number, count: number): void;
}

export function kernelStores(kernel: Kernel): Stores {
  return {
    word: (array, offset, value) => kernel.storeU64(array.memory, offset, value),
    bytes: (array, offset, bytes) => array.memory.set(bytes, offset),
    put: (map, key, value) => kernel.update(map, key, value),
    remove: (map, key) => void kernel.delete(map, key),
    clearCounters: (map, first, count) => kernel.clearPerCpu(map, first, count),
  };
}

/** Counts the stores that pass, for reports. */
export function countingStores(inner: Stores): Stores & { readonly count: number } {
  let count = 0;
  return {
    word(array, offset, value) {
      count += 1;
      inner.word(array, offset, value);
    },
    bytes(array, offset, bytes) {
      count += 1;
      inner.bytes(array, offset, bytes);
    },
    put(map, key, value) {
      count += 1;
      inner.put(map, key, value);
    },
    remove(map, key) {
      count += 1;
      inner.remove(map, key);
    },
    clearCounters(map, first, number) {
      count += 1;
      inner.clearCounters(map, first, number);
    },
    get count() {
      return count;
    },
  };
}
