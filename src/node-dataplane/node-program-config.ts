/** From the configuration to what is fixed for the node programs' life: rodata, and the sizes of the maps. */
import type { NodeConfig } from '../config/node-config.ts';
import { timeoutsInJiffies } from '../dataplane/program-config.ts';
import { MAX_NODE_SOURCES, MAX_VIP_RANGES, nodeConfig } from '../layout/generated.ts';
import { wordsOf } from '../net/address.ts';
import { maskWords, type Prefix } from '../net/prefix.ts';

/** What of the configuration the node programs need. */
export type NodeProgramConfig = Pick<NodeConfig, 'vips' | 'tunnel' | 'timeouts' | 'limits'>;

/** The kernel keeps an element back for each CPU, so a map of just the size would be full a little early. */
const FLOW_SLACK = 1_024;

/** Size of each map that the configuration decides, by name. */
export function nodeMapSizes({ limits }: NodeProgramConfig): Record<string, number> {
  return {
    node_flows: limits.flows + FLOW_SLACK,
    node_flow_places: limits.flows,
    node_targets: limits.targets,
    node_traffic: limits.targets,
  };
}

/** Bytes of `node_config` in .rodata. hz: jiffies a second. */
export function nodeRodata(config: NodeProgramConfig, hz: number): Uint8Array {
  const vips = byFamily(config.vips.ranges, MAX_VIP_RANGES, 'vips.ranges');
  const sources = byFamily(config.tunnel.sources, MAX_NODE_SOURCES, 'tunnel.sources');
  return nodeConfig.encode({
    vip4Count: vips.count4,
    vip4: vips.prefixes4,
    vip6Count: vips.count6,
    vip6: vips.prefixes6,
    source4Count: sources.count4,
    source4: sources.prefixes4,
    source6Count: sources.count6,
    source6: sources.prefixes6,
    places: config.limits.flows,
    hz,
    timeout: timeoutsInJiffies(config.timeouts, hz),
    guePort: config.tunnel.guePort,
    reserved: 0,
  });
}

function byFamily(prefixes: readonly Prefix[], most: number, key: string) {
  const all = prefixes.map(({ network, length }) => {
    const bits = typeof network === 'number' ? 32 : 128;
    return { bits, network: [...wordsOf(network)], mask: [...maskWords(length)] };
  });
  const [four, six] = [32, 128].map((bits) => all.filter((prefix) => prefix.bits === bits));
  const short = (four ?? []).map(({ network, mask }) => ({ network: network[0] ?? 0, mask: mask[0] ?? 0 }));
  const long = (six ?? []).map(({ network, mask }) => ({ network, mask }));
  if (Math.max(short.length, long.length) > most) {
    throw new RangeError(`${key} has ${prefixes.length} prefixes, at most ${most} of a family are possible`);
  }
  return {
    count4: short.length,
    prefixes4: Array.from({ length: most }, (_, i) => short[i] ?? { network: 0, mask: 0 }),
    count6: long.length,
    prefixes6: Array.from(
      { length: most },
      (_, i) => long[i] ?? { network: [0, 0, 0, 0], mask: [0, 0, 0, 0] },
    ),
  };
}
