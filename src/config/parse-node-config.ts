/** Reads the configuration of a worker's agent. */
import { parseYaml } from '../yaml/located-yaml.ts';
import type { Config } from './config.ts';
import { overlappingRanges, repeatedDevices, type Violation } from './config-rules.ts';
import type { NodeConfig } from './node-config.ts';
import { defaultNodeName } from './node-name.ts';
import { nodeConfigSchema, type ParsedNodeConfig } from './node-schema.ts';
import { parseBySchema, readConfigFile } from './parse-by-schema.ts';
import { parseConfig } from './parse-config.ts';

/** Of either role. Throws a {@link ConfigError} with everything that is wrong. */
export function loadConfigOfAnyRole(path: string): Config | NodeConfig {
  const text = readConfigFile(path);
  return saysNode(text) ? parseNodeConfig(text, path) : parseConfig(text, path);
}

/** Whether a configuration is that of a worker. */
export function isNodeConfig(config: Config | NodeConfig): config is NodeConfig {
  return 'role' in config && config.role === 'node';
}

/** `file` is for the messages only. Throws a {@link ConfigError} with everything that is wrong. */
export function parseNodeConfig(
  text: string,
  file: string,
  nodeName: string = defaultNodeName(),
): NodeConfig {
  const parsed = parseBySchema(text, file, nodeConfigSchema, violations);
  const { kubeconfig, ...rest } = parsed.source;
  const source = { ...rest, nodes: false };
  return {
    ...parsed,
    role: 'node',
    source: kubeconfig === undefined ? source : { ...source, kubeconfig },
    node: parsed.node ?? nodeName,
    api: { socket: parsed.api.socket ?? `${parsed.runtimeDirectory.replace(/\/+$/, '')}/agent.sock` },
    metrics: parsed.metrics.listen === undefined ? {} : { listen: parsed.metrics.listen },
  };
}

/** What else is in the file, and whether it is one at all, its own parser says. */
function saysNode(text: string): boolean {
  const value: unknown = parseYaml(text)[0]?.value;
  return typeof value === 'object' && value !== null && 'role' in value && value.role === 'node';
}

function violations({ vips, devices }: Partial<ParsedNodeConfig>): Violation[] {
  return [
    ...overlappingRanges(vips?.ranges ?? []),
    ...(devices === undefined ? [] : repeatedDevices(devices, undefined)),
  ];
}
