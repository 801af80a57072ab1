/**
 * What programs counted for each backend. `traffic_in` and `traffic_out` have a row for each CPU, and a row an
 * entry for each backend; nothing is shared between CPUs, and reading is a walk over memory.
 */
import { trafficCounters, trafficIn, trafficOut } from '../layout/generated.ts';
import type { DataplaneMaps, MappedArray } from './maps.ts';
import type { Stores } from './stores.ts';

/** A multiple of this many entries of 16 bytes begins at a cache line, and at a pair of them. */
const ROW_UNIT = 8;
const SUM_WORDS = trafficCounters.size / 8;
const HIGH = 2 ** 32;

/** Where each counted word goes in `struct traffic_counters`: [word of the entry, word of the sum]. */
type Words = ReadonlyArray<readonly [from: number, to: number]>;
const word = (offset: number): number => offset / 8;
const IN_WORDS: Words = [
  [word(trafficIn.offsets.packetsIn), word(trafficCounters.offsets.packetsIn)],
  [word(trafficIn.offsets.bytesIn), word(trafficCounters.offsets.bytesIn)],
];
const OUT_WORDS: Words = [
  [word(trafficOut.offsets.packetsOut), word(trafficCounters.offsets.packetsOut)],
  [word(trafficOut.offsets.bytesOut), word(trafficCounters.offsets.bytesOut)],
  [word(trafficOut.offsets.flows), word(trafficCounters.offsets.flows)],
];

/** Entries of `traffic_in` and `traffic_out` that a CPU has for so many entries of `backends`. */
export function trafficRow(backendEntries: number): number {
  return Math.ceil(backendEntries / ROW_UNIT) * ROW_UNIT;
}

/** Of `count` backends from `first`, over all CPUs: words as in `struct traffic_counters`. */
export function sumTraffic(maps: DataplaneMaps, first: number, count: number): BigUint64Array {
  const { traffic_in: ofIn, traffic_out: ofOut, backends } = maps.arrays;
  const sums = new BigUint64Array(count * SUM_WORDS);
  addUp(sums, ofIn, trafficRow(backends.entries), first, count, IN_WORDS);
  addUp(sums, ofOut, trafficRow(backends.entries), first, count, OUT_WORDS);
  return sums;
}

/**
 * Words are copied as floating point numbers: one load of eight bytes each, which a CPU that counts cannot
 * tear, and no object, as a BigInt would be. Counters are never so large that this were not a number.
 */
function addUp(
  sums: BigUint64Array,
  array: MappedArray,
  row: number,
  first: number,
  count: number,
  words: Words,
): void {
  const { memory, stride, entries } = array;
  const step = stride / 8;
  const live = new Float64Array(memory.buffer, memory.byteOffset, entries * step);
  const copy = new Float64Array(1);
  const halves = new Uint32Array(copy.buffer);
  const out = new Uint32Array(sums.buffer);
  for (let index = 0; index < count; index++) {
    for (const [from, to] of words) {
      let low = 0;
      let high = 0;
      for (let at = (first + index) * step + from; at < live.length; at += row * step) {
        copy[0] = live[at] as number;
        low += halves[0] as number;
        high += halves[1] as number;
      }
      const place = 2 * (index * SUM_WORDS + to);
      out[place] = low % HIGH;
      out[place + 1] = high + Math.floor(low / HIGH);
    }
  }
}

/** Only of an entry that no packet uses. */
export function clearTraffic(maps: DataplaneMaps, stores: Stores, index: number): void {
  const { traffic_in: ofIn, traffic_out: ofOut, backends } = maps.arrays;
  const row = trafficRow(backends.entries);
  for (const array of [ofIn, ofOut]) {
    const nothing = new Uint8Array(array.stride);
    for (let place = index; place < array.entries; place += row)
      stores.bytes(array, place * array.stride, nothing);
  }
}

/** Of `count` services from `first`, what backends that are gone had: words of `struct traffic_counters`. */
export function readRetired(maps: DataplaneMaps, first: number, count: number): BigUint64Array {
  const { memory, stride } = maps.arrays.service_counters;
  return new BigUint64Array(memory.buffer, memory.byteOffset + first * stride, count * SUM_WORDS).slice();
}
