/**
 * What the agent's HTTP API answers, and what lbctl prints. lbctl builds the
 * same shapes from the pinned maps when there is no agent.
 *
 * GET  /v1/status /v1/services /v1/backends /v1/connections /v1/stats /v1/maglev?service=NS/NAME[:PORT]
 * POST /v1/drain /v1/undrain /v1/reload
 * GET  /metrics /healthz
 */
import type { Problem, ServiceMode } from '../services/desired-state.ts';

export interface TrafficView {
  packetsIn: number;
  bytesIn: number;
  packetsOut: number;
  bytesOut: number;
  /** Flows begun. */
  flows: number;
}

export interface BackendView {
  /** Index in the pinned maps. */
  index: number;
  address: string;
  port: number;
  state: 'active' | 'draining';
  reason?: string;
  weight: number;
  /** Slots in the live table, and their share of all slots, 0..1. */
  slots: number;
  share: number;
  target?: string;
  node?: string;
  nextHop: 'valid' | 'unresolved' | 'blackhole' | 'none';
  /** Flows that are alive now. */
  activeFlows: number;
  traffic: TrafficView;
}

export interface ServiceView {
  id: number;
  vip: string;
  port: number;
  protocol: 'TCP' | 'UDP';
  /** `10.1.0.2:53/UDP`, `[2001:db8::2]:53/UDP` */
  frontend: string;
  type: 'ExternalIPs' | 'LoadBalancer' | 'unknown';
  namespace: string;
  name: string;
  portName?: string;
  /** How packets travel to the backends. */
  mode: ServiceMode;
  /** Connections of one client go to one backend. */
  affinity?: 'ClientIP';
  /** What the hash is of, where it is not the whole 5-tuple. */
  hash?: '3-tuple';
  /** CIDRs of clients that may come; not there: everybody. */
  sourceRanges?: string[];
  tableSize: number;
  backends: BackendView[];
  activeFlows: number;
  traffic: TrafficView;
  /** Packets dropped for this service, by reason. */
  drops: Record<string, number>;
}

export interface ConnectionView {
  protocol: 'TCP' | 'UDP';
  client: string;
  frontend: string;
  snat: string;
  backend: string;
  state: string;
  /** Seconds since a packet was seen, to within a second. */
  idleSeconds: number;
  /** Seconds until it is given up if nothing comes. */
  expiresInSeconds: number;
  service: string;
  /** Of a DSR service: remembered because its slot changed its owner. Others need no memory. */
  remembered?: boolean;
}

export interface StatsView {
  /** By drop reason, with what the operator can do in `docs`. */
  drops: Array<{ reason: string; packets: number; bytes: number; help: string }>;
  events: Array<{ event: string; packets: number; bytes: number; help: string }>;
  services: Array<{ frontend: string; name: string; traffic: TrafficView; drops: Record<string, number> }>;
}

export interface MaglevView {
  frontend: string;
  name: string;
  tableSize: number;
  /** First 16 hexadecimal digits of the SHA-256 of the slots as identities; equal on nodes that agree. */
  fingerprint: string;
  /** While a change of backends settles: see docs/consistency.md. */
  window?: {
    /** Flows without memory still go to the oldest owners. */
    open: boolean;
    endsInSeconds: number;
    /** Slots in which flows may be remembered. */
    trackedSlots: number;
    /** Slots of the table of oldest owners; 0: none is needed any more. */
    oldestTableSize: number;
    rememberedFlows: number;
  };
  backends: Array<{
    address: string;
    port: number;
    weight: number;
    slots: number;
    share: number;
    wanted: number;
  }>;
}

export interface DeviceView {
  name: string;
  mode: 'xdp' | 'xdp-generic' | 'tc';
  attached: boolean;
  programId: number | null;
}

/** How following one kind of object goes. */
export interface WatchView {
  kind: string;
  synced: boolean;
  /** A watch is open. */
  connected: boolean;
  /** When something was heard last: an event, a bookmark or a complete list. */
  lastHeardAt?: string;
  /** Complete lists after the first. */
  relists: number;
  /** Attempts that failed. */
  errors: number;
}

/** Who writes to the cluster, and what pools have. */
export interface ControllerView {
  /** This agent. */
  leads: boolean;
  /** Identity of the leader, which begins with its node; '': nobody, as far as this agent knows. */
  leader: string;
  /** Of the leader only. Sizes of large IPv6 pools are rounded. */
  pools?: Array<{ name: string; family: 4 | 6; size: number; used: number }>;
  /** Of the leader only: Services that have not the addresses they ask for. */
  waiting?: number;
  /** Requests since the start of this agent. */
  writes: { status: number; events: number; failed: number };
}

export interface StatusView {
  /** Not said: lb. */
  role?: 'lb' | 'node';
  node: string;
  version: string;
  agent: 'running' | 'not running';
  pid?: number;
  startedAt?: string;
  /** `ok`, or the most serious thing that is wrong. */
  health: string;
  hashSeedFingerprint: string;
  layoutVersion: number;
  devices: DeviceView[];
  vip: {
    device: string;
    up: boolean;
    addresses: string[];
    announce: 'yes' | 'drained' | 'unhealthy' | 'no services' | 'unknown';
  };
  source: {
    kind: 'manifests' | 'kubernetes';
    location: string;
    synced: boolean;
    lastChangeAt?: string;
    objects: number;
    /** Of a source that follows an API server. */
    watches?: WatchView[];
  };
  services: number;
  backends: number;
  activeFlows: number;
  snat: { addresses: string[]; ports: string; records: number; used: number };
  /** On a worker: flows that there is room to remember, and places taken. */
  remembered?: { room: number; used: number };
  memory: { mapsBytes: number };
  /** Where the agent may write to the cluster. */
  controller?: ControllerView;
  problems: Problem[];
}
