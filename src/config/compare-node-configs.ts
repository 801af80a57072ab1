/** What it takes to bring a changed configuration of a worker into effect; see compare-configs.ts. */
import { type ChangeEffect, type ChangeRule, type ConfigChange, compareBy } from './compare-configs.ts';
import type { NodeConfig } from './node-config.ts';

const rule = (
  key: string,
  how: ChangeEffect,
  value: (config: NodeConfig) => unknown,
): ChangeRule<NodeConfig> => ({ key, how, value });

/** One rule a key; docs/node.md shows the same. */
export const NODE_CHANGE_RULES: ReadonlyArray<ChangeRule<NodeConfig>> = [
  rule('role', 'cleanup', ({ role }) => role),
  rule('node', 'restart', ({ node }) => node),
  rule('runtimeDirectory', 'cleanup', ({ runtimeDirectory }) => runtimeDirectory),
  rule('bpfDirectory', 'cleanup', ({ bpfDirectory }) => bpfDirectory),
  rule('api.socket', 'restart', ({ api }) => api.socket),
  rule('metrics.listen', 'restart', ({ metrics }) => metrics.listen),
  rule('source.kind', 'restart', ({ source }) => source.kind),
  rule('source.kubeconfig', 'restart', ({ source }) => source.kubeconfig),
  rule('source.namespaces', 'restart', ({ source }) => source.namespaces),
  rule('source.manifests', 'restart', ({ source }) => source.manifests),
  rule('source.secondLook', 'restart', ({ source }) => source.secondLook),
  rule('vips.ranges', 'swap', ({ vips }) => vips.ranges),
  rule('devices[].name', 'restart', ({ devices }) => devices.map(({ name }) => name)),
  rule('devices[].attach', 'restart', ({ devices }) => devices.map(({ attach }) => attach)),
  rule('tunnel.sources', 'swap', ({ tunnel }) => tunnel.sources),
  rule('tunnel.guePort', 'swap', ({ tunnel }) => tunnel.guePort),
  rule('endpoints', 'reload', ({ endpoints }) => endpoints),
  rule('timeouts.tcpSyn', 'swap', ({ timeouts }) => timeouts.tcpSyn),
  rule('timeouts.tcpEstablished', 'swap', ({ timeouts }) => timeouts.tcpEstablished),
  rule('timeouts.tcpHalfClosed', 'swap', ({ timeouts }) => timeouts.tcpHalfClosed),
  rule('timeouts.tcpClosed', 'swap', ({ timeouts }) => timeouts.tcpClosed),
  rule('timeouts.udp', 'swap', ({ timeouts }) => timeouts.udp),
  rule('timeouts.udpReplied', 'swap', ({ timeouts }) => timeouts.udpReplied),
  rule('limits.flows', 'cleanup', ({ limits }) => limits.flows),
  rule('limits.targets', 'cleanup', ({ limits }) => limits.targets),
  rule('log.level', 'reload', ({ log }) => log.level),
];

/** The keys whose values differ in effect, in the order of the schema. */
export function compareNodeConfigs(old: NodeConfig, next: NodeConfig): ConfigChange[] {
  return compareBy(NODE_CHANGE_RULES, old, next);
}
