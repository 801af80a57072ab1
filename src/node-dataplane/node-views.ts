/** What the node programs' maps hold, as the API shows it. */
import type { BackendView, ConnectionView, ServiceView, StatsView, TrafficView } from '../api/types.ts';
import { formatKey, protocolName } from '../dataplane/frontend-key.ts';
import { plainName } from '../dataplane/inspect/counter-help.ts';
import { isExpired } from '../dataplane/inspect/flow-counts.ts';
import { addTraffic, trafficAt } from '../dataplane/inspect/read-traffic.ts';
import type { JiffiesClock } from '../dataplane/next-hop-table.ts';
import type { Kernel } from '../kernel/kernel.ts';
import {
  flowState,
  flowStateNames,
  nodeDropReason,
  nodeFlow,
  nodeFlowKey,
  nodeFlowPlace,
} from '../layout/generated.ts';
import { addressOfWords, formatAddress, formatEndpoint } from '../net/address.ts';
import type { DesiredService } from '../services/desired-state.ts';
import { NODE_DROP_COUNTERS, NODE_EVENT_COUNTERS } from './node-counters.ts';
import type { NodeMaps } from './node-maps.ts';
import type { Target } from './plan-targets.ts';
import { type ActualTarget, readTargets } from './target-table.ts';

export interface NodeInspection {
  readonly kernel: Pick<Kernel, 'entries' | 'batches' | 'sumPerCpu'>;
  readonly maps: NodeMaps;
  readonly clock: JiffiesClock;
  /** Jiffies by enum flow_state. */
  readonly timeouts: readonly number[];
  /** For names: what the source says. */
  readonly services: readonly DesiredService[];
}

const NO_TRAFFIC: TrafficView = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, flows: 0 };

/** Places in use, and those of flows that are alive. */
export function countPlaces({ maps, clock, timeouts }: NodeInspection): { used: number; active: number } {
  const { places } = maps;
  const { state, seen } = nodeFlowPlace.offsets;
  const now = clock.now();
  let used = 0;
  let active = 0;
  for (let at = 0; at + nodeFlowPlace.size <= places.length; at += nodeFlowPlace.size) {
    const flow = places[at + state] as number;
    if (flow === flowState.FLOW_FREE) continue;
    used += 1;
    if (flow !== flowState.FLOW_CLOSED && !isExpired(places.readUInt32LE(at + seen), timeouts[flow], now)) {
      active += 1;
    }
  }
  return { used, active };
}

/** Frontends that this worker has pods for, with these pods. */
export function nodeServiceViews(inspection: NodeInspection): ServiceView[] {
  const { kernel, maps, services } = inspection;
  const targets = readTargets(kernel, maps.maps.node_targets).filter(({ port }) => port !== 0);
  const words = kernel.sumPerCpu(maps.maps.node_traffic, 0, maps.maps.node_traffic.maxEntries);
  const flows = flowsByTarget(inspection);
  const named = new Map(services.map((service) => [frontendOfService(service), service]));
  const byFrontend = new Map<string, ActualTarget[]>();
  for (const target of targets) {
    const frontend = frontendOf(target);
    byFrontend.set(frontend, [...(byFrontend.get(frontend) ?? []), target]);
  }
  return [...byFrontend].map(([frontend, group]) => {
    const service = named.get(frontend);
    const backends = group
      .map((target) =>
        backendView(target, trafficAt(words, target.traffic), flows.get(target.traffic) ?? 0, service),
      )
      .sort((a, b) => (a.address < b.address ? -1 : 1));
    return serviceView(frontend, group[0] as ActualTarget, backends, service);
  });
}

function serviceView(
  frontend: string,
  { vip, port, protocol }: Target,
  backends: BackendView[],
  service: DesiredService | undefined,
): ServiceView {
  return {
    id: 0,
    vip: formatAddress(vip),
    port,
    protocol: protocolName(protocol),
    frontend,
    type: service?.type ?? 'unknown',
    namespace: service?.namespace ?? '',
    name: service?.name ?? '',
    ...(service?.portName === undefined ? {} : { portName: service.portName }),
    mode: service?.mode ?? 'ipip',
    tableSize: 0,
    backends,
    activeFlows: backends.reduce((sum, { activeFlows }) => sum + activeFlows, 0),
    traffic: backends.map(({ traffic }) => traffic).reduce(addTraffic, NO_TRAFFIC),
    drops: {},
  };
}

function backendView(
  target: ActualTarget,
  traffic: TrafficView,
  activeFlows: number,
  service: DesiredService | undefined,
): BackendView {
  const address = formatAddress(target.address);
  const outer = formatAddress(target.outer);
  const known = service?.backends.find((backend) => backend.address === outer);
  return {
    index: target.traffic,
    address,
    port: target.targetPort,
    state: known?.state ?? 'active',
    ...(known?.reason === undefined ? {} : { reason: known.reason }),
    weight: known?.weight ?? 0,
    slots: 0,
    share: 0,
    ...(known?.target === undefined ? {} : { target: known.target }),
    ...(known?.node === undefined ? {} : { node: known.node }),
    nextHop: 'none',
    activeFlows,
    traffic,
  };
}

/** Flows, one after the other; one that changes meanwhile may be shown half old. */
export function* nodeConnections(inspection: NodeInspection): Generator<ConnectionView> {
  const { kernel, maps, clock, timeouts, services } = inspection;
  const names = new Map(services.map((each) => [frontendOfService(each), `${each.namespace}/${each.name}`]));
  const now = clock.now();
  const { places } = maps;
  const view = new DataView(places.buffer, places.byteOffset, places.byteLength);
  for (const { keys, values, count } of kernel.batches(maps.maps.node_flows)) {
    for (let i = 0; i < count; i++) {
      const key = nodeFlowKey.decode(keys.subarray(i * nodeFlowKey.size));
      const flow = nodeFlow.decode(values.subarray(i * nodeFlow.size));
      const { state, seen } = nodeFlowPlace.read(view, flow.place * nodeFlowPlace.size);
      if (state <= flowState.FLOW_CLAIMED || isExpired(seen, timeouts[state], now)) continue;
      const address = (words: readonly number[]) => addressOfWords(words, key.family);
      const frontend = formatKey({ vip: address(flow.vip), port: flow.vipPort, protocol: key.protocol });
      const age = Math.max(0, (now - seen) | 0);
      yield {
        protocol: protocolName(key.protocol),
        client: formatEndpoint(address(key.client), flow.clientPort),
        frontend,
        snat: '',
        backend: formatEndpoint(address(key.pod), key.podPort),
        state: plainName(flowStateNames[state] ?? ''),
        idleSeconds: Math.floor(age / clock.hz),
        expiresInSeconds: Math.max(0, Math.ceil(((timeouts[state] ?? 0) - age) / clock.hz)),
        service: names.get(frontend) ?? '',
      };
    }
  }
}

export function nodeStats(inspection: NodeInspection): StatsView {
  const { kernel, maps } = inspection;
  const drops = kernel.sumPerCpu(maps.maps.node_drops, 0, maps.maps.node_drops.maxEntries);
  const events = kernel.sumPerCpu(maps.maps.node_events, 0, maps.maps.node_events.maxEntries);
  const counts = (words: BigUint64Array, index: number) => ({
    packets: Number(words[index * 2] ?? 0n),
    bytes: Number(words[index * 2 + 1] ?? 0n),
  });
  return {
    drops: NODE_DROP_COUNTERS.map(({ index, name, help }) => ({
      reason: name,
      ...counts(drops, index),
      help,
    })),
    events: NODE_EVENT_COUNTERS.map(({ index, name, help }) => ({
      event: name,
      ...counts(events, index),
      help,
    })),
    services: nodeServiceViews(inspection).map(({ frontend, namespace, name, traffic }) => ({
      frontend,
      name: name === '' ? '' : `${namespace}/${name}`,
      traffic,
      drops: {},
    })),
  };
}

/** Tunnel packets that came in fragments, since the maps were made. */
export function droppedFragments({ kernel, maps }: Pick<NodeInspection, 'kernel' | 'maps'>): number {
  return Number(kernel.sumPerCpu(maps.maps.node_drops, nodeDropReason.NODE_DROP_FRAGMENT, 1)[0] ?? 0n);
}

function flowsByTarget({ kernel, maps, clock, timeouts }: NodeInspection): Map<number, number> {
  const counts = new Map<number, number>();
  const { traffic, place } = nodeFlow.offsets;
  const { state, seen } = nodeFlowPlace.offsets;
  const now = clock.now();
  for (const { values, count } of kernel.batches(maps.maps.node_flows)) {
    for (let i = 0; i < count; i++) {
      const at = values.readUInt32LE(i * nodeFlow.size + place) * nodeFlowPlace.size;
      const flow = maps.places[at + state] ?? 0;
      if (flow <= flowState.FLOW_CLAIMED || flow === flowState.FLOW_CLOSED) continue;
      if (isExpired(maps.places.readUInt32LE(at + seen), timeouts[flow], now)) continue;
      const index = values.readUInt32LE(i * nodeFlow.size + traffic);
      counts.set(index, (counts.get(index) ?? 0) + 1);
    }
  }
  return counts;
}

/** Of targets with a port. */
function frontendOf({ vip, port, protocol }: Target): string {
  return formatKey({ vip, port, protocol });
}

function frontendOfService({ frontend }: DesiredService): string {
  const vip = frontend.vip.includes(':') ? `[${frontend.vip}]` : frontend.vip;
  return `${vip}:${frontend.port}/${frontend.protocol}`;
}
