/**
 * The counters of services and backends, read in pieces: packets count on meanwhile, and backends go. Each
 * counter is as of the moment it was read; no sum falls below an earlier one for having been read in pieces.
 */
import type { TrafficView } from '../../api/types.ts';
import { backend as backendLayout } from '../../layout/generated.ts';
import type { ActualBackend } from '../actual-state.ts';
import type { DataplaneMaps } from '../maps.ts';
import {
  AT_A_TIME,
  addBackends,
  addWords,
  TRAFFIC_WORDS,
  usedEntries,
  watchFolds,
} from '../retired-traffic.ts';
import { readRetired, sumTraffic } from '../traffic-counters.ts';

export interface TrafficCounts {
  /** Of all backends that it has or had. */
  ofService(index: number): TrafficView;
  /** Nothing for a life of the entry that began after it was read. */
  ofBackend(entry: Pick<ActualBackend, 'index' | 'generation'>): TrafficView;
}

const NO_TRAFFIC: TrafficView = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, flows: 0 };

/** `services`: how many entries of them there are to read. */
export function* readTraffic(maps: DataplaneMaps, services: number): Generator<void, TrafficCounts> {
  const backends = usedEntries(maps);
  const sums = new BigUint64Array(services * TRAFFIC_WORDS);
  const words = new BigUint64Array(backends * TRAFFIC_WORDS);
  const generations = new Uint16Array(backends);
  let readServices = 0;
  let readBackends = 0;
  const unwatch = watchFolds(maps, ({ index, service, counted }) => {
    // What we read of the service lacks it, and the entry, once we read it, will have nothing any more.
    if (service < readServices && index >= readBackends) addWords(sums, service, counted);
  });
  try {
    for (; readServices < services; yield) {
      const count = Math.min(AT_A_TIME, services - readServices);
      sums.set(readRetired(maps, readServices, count), readServices * TRAFFIC_WORDS);
      readServices += count;
    }
    for (; readBackends < backends; yield) {
      const count = Math.min(AT_A_TIME, backends - readBackends);
      const some = sumTraffic(maps, readBackends, count);
      words.set(some, readBackends * TRAFFIC_WORDS);
      addBackends(maps, sums, some, readBackends);
      for (let index = readBackends; index < readBackends + count; index++) {
        generations[index] = generationOf(maps, index);
      }
      readBackends += count;
    }
  } finally {
    unwatch();
  }
  return {
    ofService: (index) => trafficAt(sums, index),
    ofBackend: ({ index, generation }) =>
      index < backends && generations[index] === generation ? trafficAt(words, index) : NO_TRAFFIC,
  };
}

/** Of entries of `backends`. */
export function generationOf({ arrays }: DataplaneMaps, index: number): number {
  const { view, stride } = arrays.backends;
  return view.getUint16(index * stride + backendLayout.offsets.generation, true);
}

export function addTraffic(x: TrafficView, y: TrafficView): TrafficView {
  return {
    packetsIn: x.packetsIn + y.packetsIn,
    bytesIn: x.bytesIn + y.bytesIn,
    packetsOut: x.packetsOut + y.packetsOut,
    bytesOut: x.bytesOut + y.bytesOut,
    flows: x.flows + y.flows,
  };
}

/** Of summed up counters. */
export function trafficAt(words: BigUint64Array, index: number): TrafficView {
  const word = (i: number): number => Number(words[index * TRAFFIC_WORDS + i] ?? 0n);
  return { packetsIn: word(0), bytesIn: word(1), packetsOut: word(2), bytesOut: word(3), flows: word(4) };
}
