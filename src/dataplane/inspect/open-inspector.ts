/**
 * The views of the API from the pinned maps alone: the agent uses it, and lbctl when there is no agent.
 * It writes nothing.
 */
import type { ConnectionView, MaglevView, ServiceView, StatsView } from '../../api/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { formatKey } from '../frontend-key.ts';
import { type DataplaneMaps, openPinnedDataplane } from '../maps.ts';
import type { JiffiesClock } from '../next-hop-table.ts';
import { agentNextHops } from '../room.ts';
import type { ServiceNames } from '../service-names.ts';
import { linesOf, tableSlots } from '../table-word.ts';
import { connectionViews } from './connection-views.ts';
import { type CounterName, DROP_COUNTERS, EVENT_COUNTERS } from './counter-help.ts';
import { windowView } from './remembered-views.ts';
import { maglevView, serviceView } from './service-views.ts';
import { type InspectionContext, type Snapshot, takeSnapshot } from './snapshot.ts';

/** How full a part of the maps is, in entries. */
export interface PoolFill {
  readonly pool: string;
  readonly capacity: number;
  readonly used: number;
}

export interface MapsOverview {
  readonly services: number;
  readonly backends: number;
  readonly activeFlows: number;
  /** records: of flow_records; used: alive, or holding a port. */
  readonly snat: { readonly records: number; readonly used: number };
  /** Keys and values of all maps, without what the kernel needs around them. */
  readonly mapsBytes: number;
  readonly pools: readonly PoolFill[];
}

/** Each call looks at the maps anew. */
export interface MapsInspector {
  services(): ServiceView[];
  connections(): ConnectionView[];
  /** The same one by one, for whoever stops early. */
  eachConnection(): Generator<ConnectionView>;
  stats(): StatsView;
  /** Undefined when no service has the frontend (`10.1.0.2:53/UDP`). */
  maglev(frontend: string): MaglevView | undefined;
  summary(): MapsOverview;
}

export interface OpenInspectorOptions {
  readonly kernel: Kernel;
  readonly bpfDirectory: string;
  readonly names: () => ServiceNames;
  readonly clock: JiffiesClock;
}

/** Undefined when there are no pinned maps of this layout. Throws a KernelError when they may not be read. */
export function openInspector(options: OpenInspectorOptions): MapsInspector | undefined {
  const maps = openPinnedDataplane(options.kernel, options.bpfDirectory, 'read');
  return maps === undefined ? undefined : inspectMaps({ ...options, maps });
}

export function inspectMaps(context: InspectionContext): MapsInspector {
  const { kernel, maps } = context;
  const snapshot = () => takeSnapshot(context);
  return {
    services() {
      const now = snapshot();
      return now.services.map((service) => serviceView(maps, now, service));
    },
    connections: () => [...connectionViews(context)],
    eachConnection: () => connectionViews(context),
    stats: () => statsView(kernel, maps, snapshot()),
    maglev(frontend) {
      const now = snapshot();
      const service = now.services.find(({ key }) => formatKey(key) === frontend);
      if (service === undefined) return undefined;
      const window = windowView(kernel, context, service);
      return { ...maglevView(maps, now, service), ...(window === undefined ? {} : { window }) };
    },
    summary: () => overview(context, snapshot()),
  };
}

function statsView(kernel: Kernel, maps: DataplaneMaps, now: Snapshot): StatsView {
  const count = (map: 'drop_counters' | 'event_counters', names: readonly CounterName[]) => {
    const words = kernel.sumPerCpu(maps.others[map], 0, maps.others[map].maxEntries);
    return names.map(({ index, name, help }) => {
      const packets = Number(words[index * 2] ?? 0n);
      return { name, packets, bytes: Number(words[index * 2 + 1] ?? 0n), help };
    });
  };
  return {
    drops: count('drop_counters', DROP_COUNTERS).map(({ name, ...rest }) => ({ reason: name, ...rest })),
    events: count('event_counters', EVENT_COUNTERS).map(({ name, ...rest }) => ({ event: name, ...rest })),
    services: now.services.map((service) => {
      const frontend = formatKey(service.key);
      const names = now.names.frontend(frontend);
      return {
        frontend,
        name: names === undefined ? '' : `${names.namespace}/${names.name}`,
        traffic: now.serviceTraffic(service.index),
        drops: now.serviceDrops(service.index),
      };
    }),
  };
}

function overview({ kernel, maps }: InspectionContext, now: Snapshot): MapsOverview {
  const { arrays, others } = maps;
  const members = now.services.reduce((sum, service) => sum + service.members.size, 0);
  const former = now.services.reduce((sum, service) => sum + service.former.length, 0);
  const addresses = new Set(
    now.services.flatMap(({ members }) => [...members.values()].map(({ address }) => address)),
  );
  const lines = now.services.reduce((sum, { table }) => sum + linesOf(tableSlots(table)), 0);
  const perCpu = [others.service_counters, others.backend_counters, others.service_drops];
  const mapsBytes =
    Object.values(arrays).reduce((sum, { memory }) => sum + memory.length, 0) +
    [
      others.flows4,
      others.flows6,
      others.remembered4,
      others.remembered6,
      others.snat_shared,
      others.frontend_overflow,
    ].reduce((sum, { keySize, valueSize, maxEntries }) => sum + (keySize + valueSize) * maxEntries, 0) +
    perCpu.reduce((sum, map) => sum + map.valueSize * map.maxEntries * kernel.possibleCpus, 0);
  return {
    services: now.services.length,
    backends: members,
    activeFlows: now.flows.active,
    snat: { records: arrays.flow_records.entries, used: now.flows.used },
    mapsBytes,
    pools: [
      { pool: 'services', capacity: others.service_counters.maxEntries - 1, used: now.services.length },
      { pool: 'backends', capacity: arrays.backends.entries, used: members + former },
      { pool: 'slot-lines', capacity: arrays.maglev_slots.entries, used: lines },
      { pool: 'next-hops', capacity: agentNextHops(arrays.next_hops.entries) - 1, used: addresses.size },
      { pool: 'flow-records', capacity: arrays.flow_records.entries, used: now.flows.used },
    ],
  };
}
