/** Everything of one look at the maps that the views are made from. */

import type { TrafficView } from '../../api/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { backend as backendLayout, DROPS_PER_SERVICE } from '../../layout/generated.ts';
import { type ActualService, readActualState } from '../actual-state.ts';
import { compareKeys, isVipKey } from '../frontend-key.ts';
import type { DataplaneMaps } from '../maps.ts';
import type { JiffiesClock } from '../next-hop-table.ts';
import { sumByService, usedEntries } from '../retired-traffic.ts';
import type { ServiceNames } from '../service-names.ts';
import { DROP_COUNTERS } from './counter-help.ts';
import { countFlows, type FlowCounts } from './flow-counts.ts';

export interface InspectionContext {
  readonly kernel: Kernel;
  readonly maps: DataplaneMaps;
  readonly clock: JiffiesClock;
  /** The newest there are. */
  readonly names: () => ServiceNames;
  /** What the process that writes the maps knows of them; undefined: they are read. */
  readonly services?: () => ReadonlyMap<number | bigint, ActualService> | undefined;
}

export interface Snapshot {
  /** Without entries for VIPs; sorted by VIP, port, protocol. */
  readonly services: readonly ActualService[];
  readonly vips: number;
  readonly flows: FlowCounts;
  readonly names: ServiceNames;
  serviceTraffic(index: number): TrafficView;
  backendTraffic(index: number): TrafficView;
  /** Packets by reason, without those that are 0. */
  serviceDrops(index: number): Record<string, number>;
}

const TRAFFIC_WORDS = 8;

export function takeSnapshot({ kernel, maps, clock, names, services: known }: InspectionContext): Snapshot {
  const now = names();
  const all = [...(known?.() ?? readActualState(maps, kernel).services).values()];
  const services = all.filter(({ key }) => !isVipKey(key)).sort((x, y) => compareKeys(x.key, y.key));
  const indexes = services.map(({ index }) => index);
  const lastService = indexes.reduce((last, index) => Math.max(last, index), 0);
  const gone = kernel.sumPerCpu(maps.others.service_counters, 0, lastService + 1);
  const backendWords = kernel.sumPerCpu(maps.others.backend_counters, 0, usedEntries(maps));
  const serviceWords = sumByService(maps, gone, backendWords);
  const drops = kernel.sumPerCpu(maps.others.service_drops, 0, (lastService + 1) * DROPS_PER_SERVICE);
  return {
    services,
    vips: all.length - services.length,
    names: now,
    flows: countFlows(maps.arrays.flow_records, generationsOf(maps), now.timeouts, clock.now()),
    serviceTraffic: (index) => trafficAt(serviceWords, index),
    backendTraffic: (index) => trafficAt(backendWords, index),
    serviceDrops: (index) =>
      Object.fromEntries(
        DROP_COUNTERS.map(({ index: reason, name }) => {
          return [name, Number(drops[index * DROPS_PER_SERVICE + reason] ?? 0n)] as const;
        }).filter(([, packets]) => packets > 0),
      ),
  };
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

function generationsOf(maps: DataplaneMaps): Uint16Array {
  const { view, stride, entries } = maps.arrays.backends;
  const generations = new Uint16Array(entries);
  for (let index = 0; index < entries; index++) {
    generations[index] = view.getUint16(index * stride + backendLayout.offsets.generation, true);
  }
  return generations;
}
