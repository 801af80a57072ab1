/** Everything of one look at the maps that the views are made from. */
import type { Kernel } from '../../kernel/kernel.ts';
import { DROPS_PER_SERVICE } from '../../layout/generated.ts';
import { type ActualService, readActualState } from '../actual-state.ts';
import { compareKeys, isVipKey, keyNumber } from '../frontend-key.ts';
import type { DataplaneMaps } from '../maps.ts';
import type { JiffiesClock } from '../next-hop-table.ts';
import { AT_A_TIME } from '../retired-traffic.ts';
import type { ServiceNames } from '../service-names.ts';
import { DROP_COUNTERS } from './counter-help.ts';
import { countFlows, type FlowCounts } from './flow-counts.ts';
import { generationOf, readTraffic, type TrafficCounts } from './read-traffic.ts';

type Services = ReadonlyMap<number | bigint, ActualService>;

export interface InspectionContext {
  readonly kernel: Kernel;
  readonly maps: DataplaneMaps;
  readonly clock: JiffiesClock;
  /** The newest there are. */
  readonly names: () => ServiceNames;
  /** What the process that writes the maps knows of them; undefined: they are read. */
  readonly services?: () => Services | undefined;
}

/** Without counters. */
export interface ServiceList {
  /** Without entries for VIPs; sorted by VIP, port, protocol. */
  readonly services: readonly ActualService[];
  readonly flows: FlowCounts;
  readonly names: ServiceNames;
  /** As it is now; undefined: it was taken out since, and its place may be another's. */
  current(service: ActualService): ActualService | undefined;
}

export interface Snapshot extends ServiceList {
  readonly traffic: TrafficCounts;
  /** Packets by reason, without those that are 0. */
  serviceDrops(index: number): Record<string, number>;
}

/** Services and flows; may pause. */
export function* listServices(context: InspectionContext): Generator<void, ServiceList> {
  const { maps, clock, names, services: known } = context;
  const now = names();
  const services = [...(yield* allServices(context)).values()].filter(({ key }) => !isVipKey(key));
  services.sort((x, y) => compareKeys(x.key, y.key));
  const generations = new Uint16Array(maps.arrays.backends.entries);
  for (let index = 0; index < generations.length; index++) {
    if (index % AT_A_TIME === 0) yield;
    generations[index] = generationOf(maps, index);
  }
  const flows = yield* countFlows(maps.arrays.flow_records, generations, now.timeouts, clock.now());
  const current = (service: ActualService): ActualService | undefined => {
    const all = known?.();
    if (all === undefined) return service;
    const found = all.get(keyNumber(service.key));
    return found?.index === service.index ? found : undefined;
  };
  return { services, flows, names: now, current };
}

function* allServices({ kernel, maps, services: known }: InspectionContext): Generator<void, Services> {
  const all = known?.();
  if (all !== undefined) return all;
  const read = yield* readActualState(maps, kernel);
  // Whoever writes has read them too meanwhile, and may have changed them since.
  return known?.() ?? read.services;
}

/** The same with what was counted. */
export function* takeSnapshot(context: InspectionContext): Generator<void, Snapshot> {
  const { kernel, maps } = context;
  const list = yield* listServices(context);
  const count = list.services.reduce((last, { index }) => Math.max(last, index), 0) + 1;
  const traffic = yield* readTraffic(maps, count);
  const drops = new BigUint64Array(count * DROPS_PER_SERVICE);
  for (let first = 0; first < drops.length; first += AT_A_TIME, yield) {
    const some = Math.min(AT_A_TIME, drops.length - first);
    drops.set(kernel.sumPerCpu(maps.others.service_drops, first, some), first);
  }
  return {
    ...list,
    traffic,
    serviceDrops: (service) => {
      const found: Record<string, number> = {};
      for (const { index, name } of DROP_COUNTERS) {
        const packets = drops[service * DROPS_PER_SERVICE + index] ?? 0n;
        if (packets > 0n) found[name] = Number(packets);
      }
      return found;
    },
  };
}
