/** Rules between keys. They look at the sections that are fine by themselves, so all errors come at once. */
import { formatPrefix, type Prefix, prefixContains } from '../net/prefix.ts';
import { isTunnel } from '../services/desired-state.ts';
import type { Path } from '../yaml/located-yaml.ts';
import type { ParsedConfig } from './config-schema.ts';
import { controllerViolations } from './controller-rules.ts';
import { outerSourceViolations, snatViolations } from './snat-rules.ts';

export interface Violation {
  readonly path: Path;
  readonly message: string;
}

/** raw: which sections the file has, good or not. */
export function violations(config: Partial<ParsedConfig>, raw: unknown): Violation[] {
  const vips = config.vips?.ranges ?? [];
  return [
    ...(config.source ? unusedSourceKeys(config.source) : []),
    ...overlappingRanges(vips),
    ...(config.devices ? repeatedDevices(config.devices, config.vips?.device.name) : []),
    ...(config.snat ? snatViolations(config.snat, vips) : []),
    ...(config.dsr ? outerSourceViolations(config.dsr.source, vips) : []),
    ...(config.controller ? controllerViolations(config.controller, config.source, vips) : []),
    ...modeViolations(config, raw),
    ...backendViolations(config),
    ...(config.hash && config.hash.nodes > 1 && config.hash.seedFile === undefined
      ? [
          {
            path: ['hash', 'nodes'],
            message: `${config.hash.nodes} nodes must share one seed: give hash.seedFile, with the same content on each`,
          },
        ]
      : []),
    ...(config.maglev && config.limits && config.limits.slots < 2 * config.maglev.slots
      ? [
          {
            path: ['limits', 'slots'],
            message: `${config.limits.slots} slots are too few for two tables of maglev.slots (${config.maglev.slots}), which a change of one service needs; give at least ${2 * config.maglev.slots}`,
          },
        ]
      : []),
  ];
}

/** What the mode of all Services needs, as far as it is not there at all. */
function modeViolations({ mode, snat, dsr }: Partial<ParsedConfig>, raw: unknown): Violation[] {
  const isWritten = (key: string): boolean => typeof raw === 'object' && raw !== null && key in raw;
  if (mode === 'snat' && snat === undefined && !isWritten('snat')) {
    const message =
      'is missing; mode snat needs snat.addresses (a dedicated pool, recommended) or snat.own (an address of this node)';
    return [{ path: ['snat'], message }];
  }
  const lacksSource = dsr === undefined ? !isWritten('dsr') : dsr.source.length === 0;
  if (!isTunnel(mode) || !lacksSource) return [];
  const message = `"${mode}" needs dsr.source, where outer headers come from: an address or CIDR of each family that backends have, such as [10.4.0.0/16]`;
  return [{ path: ['mode'], message }];
}

/** What node ports as backends of all Services need. */
function backendViolations({ backends, mode, source }: Partial<ParsedConfig>): Violation[] {
  if (backends !== 'node-ports') return [];
  const violations: Violation[] = [];
  if (mode !== undefined && mode !== 'snat') {
    const message = `"node-ports" needs mode: snat, not ${mode}: a node answers by the way that the packet came`;
    violations.push({ path: ['backends'], message });
  }
  if (source?.kind === 'kubernetes' && source.nodes === false) {
    const message = 'must be true with backends: node-ports, or be left out: the Nodes have the addresses';
    violations.push({ path: ['source', 'nodes'], message });
  }
  return violations;
}

/** A kubeconfig beside a directory of manifests is a misunderstanding that would go unnoticed. */
function unusedSourceKeys({ kind, kubeconfig, namespaces, nodes }: ParsedConfig['source']): Violation[] {
  if (kind === 'kubernetes') return [];
  const given = [
    ...(kubeconfig === undefined ? [] : ['kubeconfig']),
    ...(namespaces.length > 0 ? ['namespaces'] : []),
    ...(nodes === undefined ? [] : ['nodes']),
  ];
  return given.map((key) => ({
    path: ['source', key],
    message: `is not used with source.kind: ${kind}; give source.kind: kubernetes, or leave it out`,
  }));
}

/** Ranges that hold addresses of one before them. */
export function overlappingRanges(ranges: readonly Prefix[]): Violation[] {
  return ranges.flatMap((range, index) => {
    const other = ranges
      .slice(0, index)
      .find((before) => prefixContains(before, range.network) || prefixContains(range, before.network));
    if (other === undefined) return [];
    const message = `${formatPrefix(range)} overlaps ${formatPrefix(other)}; write each address once`;
    return [{ path: ['vips', 'ranges', index], message }];
  });
}

/** Names that are there twice, or are the VIP device. */
export function repeatedDevices(
  devices: ParsedConfig['devices'],
  vipDevice: string | undefined,
): Violation[] {
  return devices.flatMap(({ name }, index) => {
    const path = ['devices', index, 'name'];
    if (name === vipDevice) {
      return [
        {
          path,
          message: `"${name}" is the VIP device, which gets no packets; name the devices towards the network`,
        },
      ];
    }
    const first = devices.findIndex((device) => device.name === name);
    return first < index ? [{ path, message: `"${name}" is there twice; write each device once` }] : [];
  });
}
