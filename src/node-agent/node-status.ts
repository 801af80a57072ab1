/** The status of a worker's agent as the API shows it. */

import { decideHealth } from '../agent/decide-health.ts';
import type { StatusView } from '../api/types.ts';
import { layout } from '../layout/generated.ts';
import { countPlaces, nodeServiceViews } from '../node-dataplane/node-views.ts';
import type { NodeAgent } from './node-agent.ts';

const PLACE_BYTES = 48 + 40 + 40;
const TARGET_BYTES = 40 + 24 + 64;

export function nodeStatus(agent: NodeAgent, version: string): StatusView {
  const { config, survey, problems, failure, inspection } = agent;
  const snapshot = agent.source.snapshot();
  const health = agent.dataplane.health();
  const devices = config.devices.map(
    ({ name, attach }) =>
      health.find((device) => device.name === name) ?? {
        name,
        mode: attach,
        attached: false,
        programId: null,
      },
  );
  const services = nodeServiceViews(inspection);
  const { used, active } = countPlaces(inspection);
  return {
    role: 'node',
    node: config.node,
    version,
    agent: 'running',
    pid: process.pid,
    startedAt: new Date(agent.startedAt).toISOString(),
    health: decideHealth({
      ...(failure === undefined ? {} : { failure }),
      missingDevices: survey.missing,
      detachedDevices: devices.filter(({ attached }) => !attached).map(({ name }) => name),
      sourceSynced: snapshot.synced,
      problems,
    }),
    hashSeedFingerprint: '',
    layoutVersion: layout.LAYOUT_VERSION,
    devices,
    // A worker announces nothing and translates no sources.
    vip: { device: '', up: false, addresses: [], announce: 'unknown' },
    source: {
      kind: agent.source.kind,
      location: agent.source.location,
      synced: snapshot.synced,
      ...(snapshot.lastChangeAt === undefined
        ? {}
        : { lastChangeAt: new Date(snapshot.lastChangeAt).toISOString() }),
      objects: snapshot.services.length + snapshot.slices.length + snapshot.nodes.length,
    },
    services: services.length,
    backends: services.reduce((sum, { backends }) => sum + backends.length, 0),
    activeFlows: active,
    snat: { addresses: [], ports: '', records: 0, used: 0 },
    remembered: { room: config.limits.flows, used },
    memory: { mapsBytes: config.limits.flows * PLACE_BYTES + config.limits.targets * TARGET_BYTES },
    problems: [...problems],
  };
}
