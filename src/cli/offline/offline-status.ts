/** `lbctl status` without an agent: what the pins, the runtime directory and the VIP device tell. Pure. */
import type { DeviceView, StatusView } from '../../api/types.ts';

/** What is known when nobody runs who knows all. */
export interface OfflineFacts {
  readonly node: string;
  readonly version: string;
  readonly layoutVersion: number;
  /** Empty when the seed cannot be read. */
  readonly hashSeedFingerprint: string;
  readonly devices: readonly DeviceView[];
  /** Undefined when the agent left no record of a VIP device, nor a configuration names one. */
  readonly vip:
    | { readonly device: string; readonly up: boolean; readonly addresses: readonly string[] }
    | undefined;
  /** `lbctl drain` has left its mark. */
  readonly drained: boolean;
  /** Where the manifests are, when a configuration says so. */
  readonly manifests: string | undefined;
  /** Empty when the agent left no names. */
  readonly snatAddresses: readonly string[];
  readonly snatPorts: string | undefined;
  readonly maps: {
    readonly services: number;
    readonly backends: number;
    readonly activeFlows: number;
    readonly snat: { readonly records: number; readonly used: number };
    readonly mapsBytes: number;
  };
}

export function offlineStatus(facts: OfflineFacts): StatusView {
  const { maps, vip } = facts;
  const detached = facts.devices.filter(({ attached }) => !attached).map(({ name }) => name);
  const worse = detached.length > 0 || facts.devices.length === 0;
  const forwarding = worse
    ? `no program is on ${detached.length === 0 ? 'any device' : detached.join(', ')}`
    : 'packets go on by what is in the maps';
  return {
    node: facts.node,
    version: facts.version,
    agent: 'not running',
    health: `the agent is not running; ${forwarding}`,
    hashSeedFingerprint: facts.hashSeedFingerprint,
    layoutVersion: facts.layoutVersion,
    devices: [...facts.devices],
    vip: {
      device: vip?.device ?? '',
      up: vip?.up ?? false,
      addresses: [...(vip?.addresses ?? [])],
      announce: announced(facts),
    },
    source: { kind: 'manifests', location: facts.manifests ?? '', synced: false, objects: 0 },
    services: maps.services,
    backends: maps.backends,
    activeFlows: maps.activeFlows,
    snat: {
      addresses: [...facts.snatAddresses],
      ports: facts.snatPorts ?? '',
      records: maps.snat.records,
      used: maps.snat.used,
    },
    memory: { mapsBytes: maps.mapsBytes },
    problems: [],
  };
}

/** The device's state is what BIRD or FRR follow, whoever has set it. */
function announced({ vip, drained }: OfflineFacts): StatusView['vip']['announce'] {
  if (vip === undefined) return 'unknown';
  if (vip.up) return 'yes';
  return drained ? 'drained' : 'unknown';
}
