/** Reads lb-agent's configuration file. */
import { compareAddresses } from '../net/address.ts';
import type { Config } from './config.ts';
import { violations } from './config-rules.ts';
import { configSchema, type ParsedConfig } from './config-schema.ts';
import { defaultNodeName } from './node-name.ts';
import { parseBySchema, readConfigFile } from './parse-by-schema.ts';
import { joinRanges } from './snat-rules.ts';

/** Throws a {@link ConfigError} with everything that is wrong. */
export function loadConfig(path: string): Config {
  return parseConfig(readConfigFile(path), path);
}

/** `file` is for the messages only. Throws a {@link ConfigError} with everything that is wrong. */
export function parseConfig(text: string, file: string, nodeName: string = defaultNodeName()): Config {
  return toConfig(parseBySchema(text, file, configSchema, violations), nodeName);
}

function toConfig(parsed: ParsedConfig, nodeName: string): Config {
  const listen = parsed.metrics.listen;
  const { seedFile, nodes } = parsed.hash;
  const { kubeconfig, nodes: isAsked, ...rest } = parsed.source;
  const isKnown = isAsked ?? parsed.backends === 'node-ports';
  const source = { ...rest, nodes: rest.kind === 'manifests' || isKnown };
  return {
    ...parsed,
    node: parsed.node ?? nodeName,
    api: { socket: parsed.api.socket ?? `${parsed.runtimeDirectory.replace(/\/+$/, '')}/agent.sock` },
    metrics: listen === undefined ? {} : { listen },
    source: kubeconfig === undefined ? source : { ...source, kubeconfig },
    vips: {
      ...parsed.vips,
      ranges: [...parsed.vips.ranges].sort((a, b) => compareAddresses(a.network, b.network)),
    },
    dsr: parsed.dsr ?? (parsed.mode === 'snat' ? undefined : DSR_DEFAULTS),
    snat: snatOf(parsed.snat),
    hash: seedFile === undefined ? { nodes } : { seedFile, nodes },
  };
}

const DSR_DEFAULTS = configSchema.shape.dsr.unwrap().parse({});

function snatOf(snat: ParsedConfig['snat']): Config['snat'] {
  const own = (snat?.own ?? []).map((first) => ({ first, count: 1 }));
  const isOwn = own.length > 0;
  return {
    ranges: isOwn ? joinRanges(own, true) : joinRanges(snat?.addresses ?? [], false),
    // Of a node's own address, the ports above Linux's default ip_local_port_range (32768-60999).
    ports: snat?.ports ?? (isOwn ? { min: 61_000, max: 65_535 } : { min: 1_024, max: 65_535 }),
    sharedFlows: snat?.sharedFlows ?? 0,
  };
}
