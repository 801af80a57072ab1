/** The shapes of `src/api/types.ts`, as far as an answer can be checked at run time. */
import type {
  BackendView,
  ConnectionView,
  ControllerView,
  DeviceView,
  MaglevView,
  ServiceView,
  StatsView,
  StatusView,
  TrafficView,
  WatchView,
} from '../api/types.ts';
import type { Problem } from '../services/desired-state.ts';
import { boolean, type Check, list, nullable, number, object, optional, record, text } from './shape.ts';

const traffic = object<TrafficView>({
  packetsIn: number,
  bytesIn: number,
  packetsOut: number,
  bytesOut: number,
  flows: number,
});

const backend = object<BackendView>({
  index: number,
  address: text,
  port: number,
  state: text<BackendView['state']>,
  reason: optional(text<string>),
  weight: number,
  slots: number,
  share: number,
  target: optional(text<string>),
  node: optional(text<string>),
  nextHop: text<BackendView['nextHop']>,
  activeFlows: number,
  traffic,
});

export const serviceViews = list(
  object<ServiceView>({
    id: number,
    vip: text,
    port: number,
    protocol: text<ServiceView['protocol']>,
    frontend: text,
    type: text<ServiceView['type']>,
    namespace: text,
    name: text,
    portName: optional(text<string>),
    mode: text<ServiceView['mode']>,
    affinity: optional(text<'ClientIP'>),
    hash: optional(text<'3-tuple'>),
    sourceRanges: optional(list(text<string>)),
    tableSize: number,
    backends: list(backend),
    activeFlows: number,
    traffic,
    drops: record(number),
  }),
);

export const connectionViews = list(
  object<ConnectionView>({
    protocol: text<ConnectionView['protocol']>,
    client: text,
    frontend: text,
    snat: text,
    backend: text,
    state: text,
    idleSeconds: number,
    expiresInSeconds: number,
    service: text,
    remembered: optional(boolean),
  }),
);

export const statsView = object<StatsView>({
  drops: list(
    object<StatsView['drops'][number]>({ reason: text, packets: number, bytes: number, help: text }),
  ),
  events: list(
    object<StatsView['events'][number]>({ event: text, packets: number, bytes: number, help: text }),
  ),
  services: list(
    object<StatsView['services'][number]>({ frontend: text, name: text, traffic, drops: record(number) }),
  ),
});

export const maglevView = object<MaglevView>({
  frontend: text,
  name: text,
  tableSize: number,
  fingerprint: text,
  window: optional(
    object<NonNullable<MaglevView['window']>>({
      open: boolean,
      endsInSeconds: number,
      trackedSlots: number,
      oldestTableSize: number,
      rememberedFlows: number,
    }),
  ),
  backends: list(
    object<MaglevView['backends'][number]>({
      address: text,
      port: number,
      weight: number,
      slots: number,
      share: number,
      wanted: number,
    }),
  ),
});

type PoolView = NonNullable<ControllerView['pools']>[number];

const controller = object<ControllerView>({
  leads: boolean,
  leader: text,
  pools: optional(
    list(
      object<PoolView>({
        name: text,
        family: number as Check<PoolView['family']>,
        size: number,
        used: number,
      }),
    ),
  ),
  waiting: optional(number),
  writes: object<ControllerView['writes']>({ status: number, events: number, failed: number }),
});

const problem = object<Problem>({
  severity: text<Problem['severity']>,
  code: text,
  message: text,
  object: optional(object<NonNullable<Problem['object']>>({ kind: text, namespace: text, name: text })),
  file: optional(text<string>),
  line: optional(number),
});

export const statusView = object<StatusView>({
  role: optional(text<NonNullable<StatusView['role']>>),
  controller: optional(controller),
  node: text,
  version: text,
  agent: text<StatusView['agent']>,
  pid: optional(number),
  startedAt: optional(text<string>),
  health: text,
  hashSeedFingerprint: text,
  layoutVersion: number,
  devices: list(
    object<DeviceView>({
      name: text,
      mode: text<DeviceView['mode']>,
      attached: boolean,
      programId: nullable(number),
    }),
  ),
  vip: object<StatusView['vip']>({
    device: text,
    up: boolean,
    addresses: list(text<string>),
    announce: text<StatusView['vip']['announce']>,
  }),
  source: object<StatusView['source']>({
    kind: text<StatusView['source']['kind']>,
    location: text,
    synced: boolean,
    lastChangeAt: optional(text<string>),
    objects: number,
    watches: optional(
      list(
        object<WatchView>({
          kind: text,
          synced: boolean,
          connected: boolean,
          lastHeardAt: optional(text<string>),
          relists: number,
          errors: number,
        }),
      ),
    ),
  }),
  services: number,
  backends: number,
  activeFlows: number,
  snat: object<StatusView['snat']>({
    addresses: list(text<string>),
    ports: text,
    records: number,
    used: number,
  }),
  remembered: optional(object<NonNullable<StatusView['remembered']>>({ room: number, used: number })),
  memory: object<StatusView['memory']>({ mapsBytes: number }),
  problems: list(problem),
});
