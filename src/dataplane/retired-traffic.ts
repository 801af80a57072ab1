/**
 * What backends that are gone had counted. Programs count a packet once, for its backend; a service has the
 * sum of its backends. When an entry of `backends` is free, what it counted is added to its service's entry of
 * `service_counters`, which programs do not touch, and then cleared. The one write says whose counters it
 * took, so that an agent that was killed before it cleared them does not add them again.
 */
import {
  addressFamily,
  backend as backendLayout,
  backendState,
  service as serviceLayout,
  trafficCounters,
} from '../layout/generated.ts';
import type { DataplaneMaps } from './maps.ts';
import type { Stores } from './stores.ts';
import { clearTraffic, readRetired, sumTraffic } from './traffic-counters.ts';

/** Words of `struct traffic_counters`. */
export const TRAFFIC_WORDS = trafficCounters.size / 8;
const WORDS = TRAFFIC_WORDS;
/** Entries of a counter map that are read in one go. */
export const AT_A_TIME = 2048;
const FOLDED = trafficCounters.offsets.folded / 8;

export interface TrafficContext {
  readonly maps: DataplaneMaps;
  readonly stores: Stores;
}

/** Counters of an entry that became its service's. */
export interface Fold {
  readonly index: number;
  readonly service: number;
  /** As in `struct traffic_counters`. */
  readonly counted: BigUint64Array;
}

const watchers = new WeakMap<DataplaneMaps, Set<(fold: Fold) => void>>();

/** Tells, until the answer is called, of each fold that adds to a service of these maps. */
export function watchFolds(maps: DataplaneMaps, onFold: (fold: Fold) => void): () => void {
  const all = watchers.get(maps) ?? new Set();
  watchers.set(maps, all);
  all.add(onFold);
  return () => all.delete(onFold);
}

/** Names the time for which an entry of `backends` is free; never 0. */
function lifeOf(maps: DataplaneMaps, index: number): bigint {
  const { view, stride } = maps.arrays.backends;
  return (
    BigInt(index + 1) |
    (BigInt(view.getUint16(index * stride + backendLayout.offsets.generation, true)) << 32n)
  );
}

/** The service that an entry belongs to, or did before it was freed. */
function ownerOf(maps: DataplaneMaps, index: number): number {
  const { view, stride } = maps.arrays.backends;
  return view.getUint32(index * stride + backendLayout.offsets.service, true);
}

function isService(maps: DataplaneMaps, index: number): boolean {
  const { view, stride, entries } = maps.arrays.services;
  if (index === 0 || index >= entries) return false;
  return view.getUint8(index * stride + serviceLayout.offsets.key + 19) !== addressFamily.FAMILY_NONE;
}

/** The counters of a free entry, which no packet uses any more, become its service's, if that is there. */
export function foldTraffic({ maps, stores }: TrafficContext, index: number): void {
  const ofServices = maps.others.service_counters;
  const counted = sumTraffic(maps, index, 1);
  if (counted.every((word) => word === 0n)) return;
  const service = ownerOf(maps, index);
  if (isService(maps, service) && service < ofServices.maxEntries) {
    const total = readRetired(maps, service, 1);
    const life = lifeOf(maps, index);
    if (total[FOLDED] !== life) {
      const value = new BigUint64Array(WORDS);
      for (let word = 0; word < FOLDED; word++)
        value[word] = (total[word] as bigint) + (counted[word] as bigint);
      value[FOLDED] = life;
      stores.put(ofServices, new Uint8Array(Uint32Array.of(service).buffer), new Uint8Array(value.buffer));
      for (const onFold of watchers.get(maps) ?? []) onFold({ index, service, counted });
    }
  }
  clearTraffic(maps, stores, index);
}

/** Of all entries that a killed agent freed, and did not get to. May pause between entries. */
export function* foldLeftovers(context: TrafficContext): Generator<void> {
  const { maps } = context;
  const entries = usedEntries(maps);
  for (let first = 0; first < entries; first += AT_A_TIME, yield) {
    const count = Math.min(AT_A_TIME, entries - first);
    const words = sumTraffic(maps, first, count);
    for (let entry = 0; entry < count; entry++) {
      if (!isFree(maps, first + entry)) continue;
      const counted = words.subarray(entry * WORDS, (entry + 1) * WORDS);
      if (counted.some((word) => word !== 0n)) foldTraffic(context, first + entry);
    }
  }
}

/** By service: words as in `struct traffic_counters`. Also of entries that are free and not folded yet. */
export function sumByService(
  maps: DataplaneMaps,
  ofServices: BigUint64Array,
  ofBackends: BigUint64Array,
): BigUint64Array {
  const sums = ofServices.slice();
  addBackends(maps, sums, ofBackends, 0);
  return sums;
}

/** Adds to the sums of services what entries of `backends` counted, from `first` on, also of those not folded yet. */
export function addBackends(
  maps: DataplaneMaps,
  sums: BigUint64Array,
  ofBackends: BigUint64Array,
  first: number,
): void {
  for (let entry = 0; entry < ofBackends.length / WORDS; entry++) {
    const counted = ofBackends.subarray(entry * WORDS, (entry + 1) * WORDS);
    if (counted.every((word) => word === 0n)) continue;
    const index = first + entry;
    const service = ownerOf(maps, index);
    if (isFree(maps, index) && sums[service * WORDS + FOLDED] === lifeOf(maps, index)) continue;
    addWords(sums, service, counted);
  }
}

/** A service that has no place in the sums is left out. */
export function addWords(sums: BigUint64Array, service: number, counted: BigUint64Array): void {
  const at = service * WORDS;
  if (at >= sums.length) return;
  for (let word = 0; word < FOLDED; word++) {
    sums[at + word] = (sums[at + word] as bigint) + (counted[word] as bigint);
  }
}

function isFree(maps: DataplaneMaps, index: number): boolean {
  const { memory, stride } = maps.arrays.backends;
  return memory[index * stride + backendLayout.offsets.state] === backendState.BACKEND_FREE;
}

/** How many entries from the first on may ever have held a backend. */
export function usedEntries(maps: DataplaneMaps): number {
  const { view, stride, entries } = maps.arrays.backends;
  for (let index = entries - 1; index >= 0; index--) {
    if (!isFree(maps, index)) return index + 1;
    if (view.getUint16(index * stride + backendLayout.offsets.generation, true) !== 0) return index + 1;
  }
  return 0;
}
