/** The agent's status as the API shows it, from what the agent knows and what the maps hold. Pure. */
import type { ControllerView, DeviceView, StatusView, WatchView } from '../api/types.ts';
import type { ControllerState } from '../controller/controller.ts';
import type { MapsOverview } from '../dataplane/inspect/open-inspector.ts';
import type { DataplaneHealth } from '../dataplane/open-dataplane.ts';
import { layout } from '../layout/generated.ts';
import { formatRange } from '../net/address-range.ts';
import type { Source, WatchStatus } from '../sources/source.ts';
import type { VipDeviceState } from '../vip/vip-device.ts';
import type { AgentFacts } from './agent-facts.ts';
import type { AnnounceReason } from './decide-announcement.ts';
import { decideHealth } from './decide-health.ts';
import { seedFingerprint } from './hash-seed.ts';

export interface StatusInput {
  readonly version: string;
  readonly facts: AgentFacts;
  readonly source: Pick<Source, 'kind' | 'location' | 'snapshot' | 'watches'>;
  readonly health: DataplaneHealth;
  readonly vip: VipDeviceState;
  readonly maps: MapsOverview;
}

const ANNOUNCE: Record<AnnounceReason, StatusView['vip']['announce']> = {
  serving: 'yes',
  drained: 'drained',
  unhealthy: 'unhealthy',
  'no-services': 'no services',
  'not-synced': 'unknown',
};

/** In the order of the configuration; a device that is not there is not attached. */
export function deviceViews(facts: Pick<AgentFacts, 'config'>, health: DataplaneHealth): DeviceView[] {
  return facts.config.devices.map(({ name, attach }) => {
    const known = health.devices.find((device) => device.name === name);
    return known ?? { name, mode: attach, attached: false, programId: null };
  });
}

function watchView({ lastHeardAt, ...rest }: WatchStatus): WatchView {
  return {
    ...rest,
    ...(lastHeardAt === undefined ? {} : { lastHeardAt: new Date(lastHeardAt).toISOString() }),
  };
}

function controllerView({ leader, pools, waiting, writes }: ControllerState): ControllerView {
  const ofLeader = {
    pools: pools.map(({ pool, family, size, used }) => ({ name: pool, family, size, used })),
    waiting,
  };
  return { leads: leader.leads, leader: leader.holder, ...(leader.leads ? ofLeader : {}), writes };
}

export function buildStatus({ version, facts, source, health, vip, maps }: StatusInput): StatusView {
  const { config, state, problems } = facts;
  const snapshot = source.snapshot();
  const devices = deviceViews(facts, health);
  const watches = source.watches().map(watchView);
  const reason = state.announcement?.reason;
  return {
    node: config.node,
    version,
    agent: 'running',
    pid: process.pid,
    startedAt: new Date(facts.startedAt).toISOString(),
    health: decideHealth({
      ...(facts.failure === undefined ? {} : { failure: facts.failure }),
      missingDevices: facts.survey.missing,
      detachedDevices: devices.filter(({ attached }) => !attached).map(({ name }) => name),
      sourceSynced: snapshot.synced,
      problems,
    }),
    hashSeedFingerprint: seedFingerprint(facts.hashSeed),
    layoutVersion: layout.LAYOUT_VERSION,
    devices,
    vip: {
      device: config.vips.device.name,
      up: vip.up,
      addresses: [...vip.addresses],
      announce: reason === undefined ? 'unknown' : ANNOUNCE[reason],
    },
    source: {
      kind: source.kind,
      location: source.location,
      synced: snapshot.synced,
      ...(snapshot.lastChangeAt === undefined
        ? {}
        : { lastChangeAt: new Date(snapshot.lastChangeAt).toISOString() }),
      objects: snapshot.services.length + snapshot.slices.length + snapshot.nodes.length,
      ...(watches.length === 0 ? {} : { watches }),
    },
    services: maps.services,
    backends: maps.backends,
    activeFlows: maps.activeFlows,
    snat: {
      addresses: config.snat.ranges.map(formatRange),
      ports: `${config.snat.ports.min}-${config.snat.ports.max}`,
      records: maps.snat.records,
      used: maps.snat.used,
    },
    memory: { mapsBytes: maps.mapsBytes },
    ...(facts.controller === undefined ? {} : { controller: controllerView(facts.controller) }),
    problems: [...problems],
  };
}
