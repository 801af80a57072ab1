/** What it takes to bring a changed configuration into effect. */
import type { Config } from './config.ts';

/**
 * - `reload`: the running agent applies it, programs and maps stay.
 * - `swap`: it is in the programs' rodata; they are loaded anew and swapped under their links.
 * - `restart`: the agent must be started again; packets go on meanwhile.
 * - `cleanup`: pinned maps or devices get another shape; `lb-agent cleanup` by the old configuration, then start.
 */
export type ChangeEffect = 'reload' | 'swap' | 'restart' | 'cleanup';

export interface ConfigChange {
  readonly key: string;
  readonly how: ChangeEffect;
}

/** What a change of one key takes. */
export interface ChangeRule<C> extends ConfigChange {
  readonly value: (config: C) => unknown;
}

const rule = (key: string, how: ChangeEffect, value: (config: Config) => unknown): ChangeRule<Config> => ({
  key,
  how,
  value,
});

/** One rule a key; docs/configuration.md shows the same. */
export const CHANGE_RULES: ReadonlyArray<ChangeRule<Config>> = [
  rule('role', 'cleanup', () => 'lb'),
  rule('node', 'restart', (config) => config.node),
  rule('runtimeDirectory', 'cleanup', (config) => config.runtimeDirectory),
  rule('bpfDirectory', 'cleanup', (config) => config.bpfDirectory),
  rule('api.socket', 'restart', (config) => config.api.socket),
  rule('metrics.listen', 'restart', (config) => config.metrics.listen),
  rule('source.kind', 'restart', (config) => config.source.kind),
  rule('source.manifests', 'restart', (config) => config.source.manifests),
  rule('source.kubeconfig', 'restart', (config) => config.source.kubeconfig),
  rule('source.namespaces', 'restart', (config) => config.source.namespaces),
  rule('source.secondLook', 'restart', (config) => config.source.secondLook),
  rule('source.nodes', 'restart', (config) => config.source.nodes),
  rule('vips.ranges', 'swap', (config) => config.vips.ranges),
  rule('vips.device.name', 'cleanup', (config) => config.vips.device.name),
  rule('vips.device.kind', 'cleanup', (config) => config.vips.device.kind),
  rule('vips.echo', 'swap', (config) => config.vips.echo),
  rule('devices[].name', 'restart', (config) => config.devices.map(({ name }) => name)),
  rule('devices[].attach', 'restart', (config) => config.devices.map(({ attach }) => attach)),
  // Records are numbered by address, so other addresses would get the records of the old ones' flows.
  rule('snat.addresses', 'cleanup', (config) => config.snat.ranges.filter(({ own }) => !own)),
  rule('snat.own', 'cleanup', (config) => config.snat.ranges.filter(({ own }) => own)),
  rule('snat.ports', 'swap', (config) => config.snat.ports),
  rule('snat.sharedFlows', 'cleanup', (config) => config.snat.sharedFlows),
  rule('backends', 'reload', (config) => config.backends),
  rule('mode', 'swap', (config) => config.mode),
  // It is in the checksums of all backends' outer headers.
  rule('dsr.source', 'cleanup', (config) => config.dsr?.source ?? []),
  rule('dsr.guePort', 'swap', (config) => config.dsr?.guePort),
  rule('dsr.window.tcp', 'reload', (config) => config.dsr?.window.tcp),
  rule('dsr.window.udp', 'reload', (config) => config.dsr?.window.udp),
  rule('dsr.rememberedFlows', 'cleanup', (config) => config.dsr?.rememberedFlows),
  rule('dsr.rememberPerSecond', 'swap', (config) => config.dsr?.rememberPerSecond),
  rule('hash.seedFile', 'swap', (config) => config.hash.seedFile),
  rule('hash.nodes', 'reload', (config) => config.hash.nodes),
  rule('maglev.slots', 'reload', (config) => config.maglev.slots),
  rule('timeouts.tcpSyn', 'swap', (config) => config.timeouts.tcpSyn),
  rule('timeouts.tcpEstablished', 'swap', (config) => config.timeouts.tcpEstablished),
  rule('timeouts.tcpHalfClosed', 'swap', (config) => config.timeouts.tcpHalfClosed),
  rule('timeouts.tcpClosed', 'swap', (config) => config.timeouts.tcpClosed),
  rule('timeouts.udp', 'swap', (config) => config.timeouts.udp),
  rule('timeouts.udpReplied', 'swap', (config) => config.timeouts.udpReplied),
  rule('reject.unknownPort', 'swap', (config) => config.reject.unknownPort),
  rule('reject.noBackend', 'swap', (config) => config.reject.noBackend),
  rule('reject.noFlow', 'swap', (config) => config.reject.noFlow),
  rule('reject.perSecond', 'swap', (config) => config.reject.perSecond),
  rule('limits.services', 'cleanup', (config) => config.limits.services),
  rule('limits.backends', 'cleanup', (config) => config.limits.backends),
  rule('limits.slots', 'cleanup', (config) => config.limits.slots),
  rule('limits.nextHops', 'cleanup', (config) => config.limits.nextHops),
  rule('controller.enabled', 'restart', (config) => config.controller.enabled),
  rule('controller.pools[].name', 'reload', (config) => config.controller.pools.map(({ name }) => name)),
  rule('controller.pools[].addresses', 'reload', (config) =>
    config.controller.pools.map(({ addresses }) => addresses),
  ),
  rule('controller.pools[].automatic', 'reload', (config) =>
    config.controller.pools.map(({ automatic }) => automatic),
  ),
  rule('controller.withoutClass', 'reload', (config) => config.controller.withoutClass),
  rule('controller.lease.namespace', 'restart', (config) => config.controller.lease.namespace),
  rule('controller.lease.name', 'restart', (config) => config.controller.lease.name),
  rule('controller.lease.duration', 'restart', (config) => config.controller.lease.duration),
  rule('log.level', 'reload', (config) => config.log.level),
];

/** The keys whose values differ in effect (not in spelling), in the order of the schema. */
export function compareConfigs(old: Config, next: Config): ConfigChange[] {
  return compareBy(CHANGE_RULES, old, next);
}

/** The same for another kind of configuration. */
export function compareBy<C>(rules: ReadonlyArray<ChangeRule<C>>, old: C, next: C): ConfigChange[] {
  return rules
    .filter(({ value }) => asText(value(old)) !== asText(value(next)))
    .map(({ key, how }) => ({ key, how }));
}

function asText(value: unknown): string | undefined {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));
}
