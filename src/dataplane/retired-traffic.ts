/**
 * What backends that are gone had counted. Programs count a packet once, for its backend; a service has the
 * sum of its backends. When an entry of `backends` is free, what it counted is added to its service's entry of
 * `service_counters`, which programs do not touch, and then cleared. The one write says whose counters it
 * took, so that an agent that was killed before it cleared them does not add them again.
 */
import type { Kernel } from '../kernel/kernel.ts';
import {
  addressFamily,
  backend as backendLayout,
  backendState,
  service as serviceLayout,
  trafficCounters,
} from '../layout/generated.ts';
import type { DataplaneMaps } from './maps.ts';
import type { Stores } from './stores.ts';

const WORDS = trafficCounters.size / 8;
const FOLDED = trafficCounters.offsets.folded / 8;

export interface TrafficContext {
  readonly maps: DataplaneMaps;
  readonly stores: Stores;
  readonly counters: Pick<Kernel, 'sumPerCpu' | 'possibleCpus'>;
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
export function foldTraffic({ maps, stores, counters }: TrafficContext, index: number): void {
  const { backend_counters: ofBackends, service_counters: ofServices } = maps.others;
  const counted = counters.sumPerCpu(ofBackends, index, 1);
  if (counted.every((word) => word === 0n)) return;
  const service = ownerOf(maps, index);
  if (isService(maps, service) && service < ofServices.maxEntries) {
    const total = counters.sumPerCpu(ofServices, service, 1);
    const life = lifeOf(maps, index);
    if (total[FOLDED] !== life) {
      const value = new BigUint64Array(WORDS * counters.possibleCpus);
      for (let word = 0; word < FOLDED; word++)
        value[word] = (total[word] as bigint) + (counted[word] as bigint);
      value[FOLDED] = life;
      stores.put(ofServices, new Uint8Array(Uint32Array.of(service).buffer), new Uint8Array(value.buffer));
    }
  }
  stores.clearCounters(ofBackends, index, 1);
}

/** Of all entries that a killed agent freed, and did not get to. */
export function foldLeftovers(context: TrafficContext): void {
  const { maps, counters } = context;
  const words = counters.sumPerCpu(maps.others.backend_counters, 0, usedEntries(maps));
  for (let index = 0; index < words.length / WORDS; index++) {
    const counted = words.subarray(index * WORDS, (index + 1) * WORDS);
    if (isFree(maps, index) && counted.some((word) => word !== 0n)) foldTraffic(context, index);
  }
}

/** By service: words as in `struct traffic_counters`. Also of entries that are free and not folded yet. */
export function sumByService(
  maps: DataplaneMaps,
  ofServices: BigUint64Array,
  ofBackends: BigUint64Array,
): BigUint64Array {
  const sums = ofServices.slice();
  for (let index = 0; index < ofBackends.length / WORDS; index++) {
    const at = ownerOf(maps, index) * WORDS;
    if (at >= sums.length) continue;
    if (isFree(maps, index) && ofServices[at + FOLDED] === lifeOf(maps, index)) continue;
    for (let word = 0; word < FOLDED; word++) {
      const counted = ofBackends[index * WORDS + word] as bigint;
      if (counted !== 0n) sums[at + word] = (sums[at + word] as bigint) + counted;
    }
  }
  return sums;
}

function isFree(maps: DataplaneMaps, index: number): boolean {
  const { view, stride } = maps.arrays.backends;
  return view.getUint8(index * stride + backendLayout.offsets.state) === backendState.BACKEND_FREE;
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
