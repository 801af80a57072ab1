/** The agent's configuration in a rig. Pure. */
import { stringify } from 'yaml';
import { VIP_DEVICE } from './bgp.ts';
import { UPLINK } from './one-armed.ts';
import { nodeOf, type Topology } from './topology.ts';

/** A configuration as it is written in the file; checked by the agent, not here. */
export interface ConfigTree {
  readonly [key: string]: unknown;
}

export interface AgentPlaces {
  readonly runtimeDirectory: string;
  readonly bpfDirectory: string;
  readonly manifests: string;
  /** Used when there is more than one LB node: all need the same seed. */
  readonly seedFile: string;
  readonly vipDevice: 'dummy' | 'ifb';
}

/** What every LB node of a rig runs with; `overrides` are merged in, key by key, lists replaced. */
export function agentConfig(
  topology: Topology,
  lb: string,
  places: AgentPlaces,
  overrides: ConfigTree = {},
): ConfigTree {
  const lbs = topology.nodes.filter((node) => node.role === 'lb').length;
  const base: ConfigTree = {
    node: lb,
    runtimeDirectory: places.runtimeDirectory,
    bpfDirectory: places.bpfDirectory,
    source: { manifests: places.manifests },
    vips: { ranges: [topology.vipRange], device: { name: VIP_DEVICE, kind: places.vipDevice } },
    devices: [{ name: UPLINK, attach: 'xdp' }],
    snat: { addresses: [nodeOf(topology, lb).snatPool] },
    ...(lbs > 1 ? { hash: { nodes: lbs, seedFile: places.seedFile } } : {}),
  };
  return merge(base, overrides);
}

export function agentConfigText(config: ConfigTree): string {
  return stringify(config);
}

function merge(base: ConfigTree, over: ConfigTree): ConfigTree {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isTree(value) && isTree(below) ? merge(below, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is ConfigTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
