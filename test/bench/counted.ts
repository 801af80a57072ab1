/** Reads the real program's counters, summed over CPUs, services and backends. */
import type { DataplaneMaps } from '../../src/dataplane/maps.ts';
import { sumByService } from '../../src/dataplane/retired-traffic.ts';
import { readRetired, sumTraffic } from '../../src/dataplane/traffic-counters.ts';
import type { BpfMap, Kernel } from '../../src/kernel/kernel.ts';
import {
  dropReasonNames,
  eventKindNames,
  packetCounter,
  trafficCounters,
} from '../../src/layout/generated.ts';
import type { Counted } from './proof.ts';
import type { Wrapper } from './wrapper.ts';

function trafficTotals(words: BigUint64Array) {
  const step = trafficCounters.size / 8;
  const { packetsIn, packetsOut, flows } = trafficCounters.offsets;
  const total = (offset: number): number => {
    let sum = 0n;
    for (let at = offset / 8; at < words.length; at += step) sum += words[at] as bigint;
    return Number(sum);
  };
  return { packetsIn: total(packetsIn), packetsOut: total(packetsOut), flows: total(flows) };
}

function packetsByName(kernel: Kernel, map: BpfMap, names: readonly string[]): Record<string, number> {
  const words = kernel.sumPerCpu(map, 0, map.maxEntries);
  const counts: Record<string, number> = {};
  for (let index = 0; index < map.maxEntries; index++) {
    const count = Number(words[index * (packetCounter.size / 8)]);
    if (count > 0) counts[names[index] ?? `number ${index}`] = count;
  }
  return counts;
}

export function readCounted(kernel: Kernel, maps: DataplaneMaps, wrapper: Wrapper): Counted {
  const { service_counters: retired, backends } = maps.arrays;
  const ofBackends = sumTraffic(maps, 0, backends.entries);
  const service = trafficTotals(sumByService(maps, readRetired(maps, 0, retired.entries), ofBackends));
  const backend = trafficTotals(ofBackends);
  return {
    ...wrapper.progress(),
    servicePacketsIn: service.packetsIn,
    servicePacketsOut: service.packetsOut,
    serviceFlows: service.flows,
    backendPacketsIn: backend.packetsIn,
    backendPacketsOut: backend.packetsOut,
    backendFlows: backend.flows,
    drops: packetsByName(kernel, maps.others.drop_counters, dropReasonNames),
    events: packetsByName(kernel, maps.others.event_counters, eventKindNames),
  };
}
