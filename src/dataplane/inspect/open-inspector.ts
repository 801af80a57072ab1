/**
 * The views of the API from the pinned maps alone: the agent uses it, and lbctl when there is no agent.
 * It writes nothing.
 */
import type { ConnectionView, MaglevView, ServiceView, StatsView } from '../../api/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { IpAddress } from '../../net/address.ts';
import { formatKey } from '../frontend-key.ts';
import { openPinnedDataplane } from '../maps.ts';
import type { JiffiesClock } from '../next-hop-table.ts';
import { agentNextHops } from '../room.ts';
import type { FrontendNames, ServiceNames } from '../service-names.ts';
import { linesOf, tableSlots } from '../table-word.ts';
import { connectionViews } from './connection-views.ts';
import { type CounterName, DROP_COUNTERS, EVENT_COUNTERS } from './counter-help.ts';
import { windowView } from './remembered-views.ts';
import { maglevView, serviceView } from './service-views.ts';
import {
  type InspectionContext,
  listServices,
  type ServiceList,
  type Snapshot,
  takeSnapshot,
} from './snapshot.ts';

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

/** What one look has found. */
export interface MapsLook {
  readonly overview: MapsOverview;
  /** One by one; those that were taken out since are left out. */
  services(): Generator<ServiceView>;
  /** The services of it one by one. */
  traffic(): Generator<StatsView['services'][number]>;
  drops(): StatsView['drops'];
  events(): StatsView['events'];
}

/** Each call looks at the maps anew. Generators may pause at each `yield`. */
export interface MapsInspector {
  look(): Generator<void, MapsLook>;
  /** Without a look at the counters. */
  overview(): Generator<void, MapsOverview>;
  connections(): Generator<ConnectionView>;
  /** Services that a name means: `10.1.0.2:53/UDP`, `namespace/name`, either with `:port` or `:portName`. */
  frontendsOf(name: string): Generator<void, string[]>;
  /** Undefined when no service has the frontend (`10.1.0.2:53/UDP`). */
  maglev(frontend: string): Generator<void, MaglevView | undefined>;
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
  return {
    *look() {
      const now = yield* takeSnapshot(context);
      return mapsLook(context, now, yield* overview(context, now));
    },
    *overview() {
      return yield* overview(context, yield* listServices(context));
    },
    connections: () => connectionViews(context),
    *frontendsOf(name) {
      const { services, names } = yield* listServices(context);
      const found: string[] = [];
      for (const { key } of services) {
        const frontend = formatKey(key);
        if (spellingsOf(frontend, key.port, names.frontend(frontend)).includes(name)) found.push(frontend);
        yield;
      }
      return found;
    },
    *maglev(frontend) {
      const { services, names, current } = yield* listServices(context);
      const listed = services.find(({ key }) => formatKey(key) === frontend);
      const window = listed && (yield* windowView(kernel, context, listed));
      const service = listed && current(listed);
      if (service === undefined) return undefined;
      return { ...maglevView(maps, names, service), ...(window === undefined ? {} : { window }) };
    },
  };
}

/** As the API shows it; may pause. */
export function* statsOf(look: MapsLook): Generator<void, StatsView> {
  const services: StatsView['services'] = [];
  for (const each of look.traffic()) {
    services.push(each);
    yield;
  }
  return { drops: look.drops(), events: look.events(), services };
}

function spellingsOf(frontend: string, port: number, names: FrontendNames | undefined): string[] {
  if (names === undefined) return [frontend];
  const name = `${names.namespace}/${names.name}`;
  const spellings = [frontend, name, `${name}:${port}`];
  return names.portName === undefined ? spellings : [...spellings, `${name}:${names.portName}`];
}

function mapsLook({ kernel, maps }: InspectionContext, now: Snapshot, overview: MapsOverview): MapsLook {
  const count = (map: 'drop_counters' | 'event_counters', names: readonly CounterName[]) => {
    const words = kernel.sumPerCpu(maps.others[map], 0, maps.others[map].maxEntries);
    return names.map(({ index, name, help }) => {
      const packets = Number(words[index * 2] ?? 0n);
      return { name, packets, bytes: Number(words[index * 2 + 1] ?? 0n), help };
    });
  };
  return {
    overview,
    *services() {
      for (const listed of now.services) {
        const service = now.current(listed);
        if (service !== undefined) yield serviceView(maps, now, service);
      }
    },
    *traffic() {
      for (const { key, index } of now.services) {
        const frontend = formatKey(key);
        const names = now.names.frontend(frontend);
        yield {
          frontend,
          name: names === undefined ? '' : `${names.namespace}/${names.name}`,
          traffic: now.traffic.ofService(index),
          drops: now.serviceDrops(index),
        };
      }
    },
    drops: () =>
      count('drop_counters', DROP_COUNTERS).map(({ name, ...rest }) => ({ reason: name, ...rest })),
    events: () =>
      count('event_counters', EVENT_COUNTERS).map(({ name, ...rest }) => ({ event: name, ...rest })),
  };
}

function* overview(
  { kernel, maps }: InspectionContext,
  { services, flows }: ServiceList,
): Generator<void, MapsOverview> {
  const { arrays, others } = maps;
  const addresses = new Set<IpAddress>();
  let [members, former, lines] = [0, 0, 0];
  for (const service of services) {
    members += service.members.size;
    former += service.former.length;
    lines += linesOf(tableSlots(service.table));
    for (const { address } of service.members.values()) addresses.add(address);
    yield;
  }
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
    others.service_drops.valueSize * others.service_drops.maxEntries * kernel.possibleCpus;
  return {
    services: services.length,
    backends: members,
    activeFlows: flows.active,
    snat: { records: arrays.flow_records.entries, used: flows.used },
    mapsBytes,
    pools: [
      { pool: 'services', capacity: others.service_counters.maxEntries - 1, used: services.length },
      { pool: 'backends', capacity: arrays.backends.entries, used: members + former },
      { pool: 'slot-lines', capacity: arrays.maglev_slots.entries, used: lines },
      { pool: 'next-hops', capacity: agentNextHops(arrays.next_hops.entries) - 1, used: addresses.size },
      { pool: 'flow-records', capacity: arrays.flow_records.entries, used: flows.used },
    ],
  };
}
