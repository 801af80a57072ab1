/** Rules between keys. They look at the sections that are fine by themselves, so all errors come at once. */
import { formatIpv4, formatPrefix4, type Prefix4, prefixContains, prefixSize } from '../net/ipv4.ts';
import type { Path } from '../yaml/located-yaml.ts';
import type { SnatRange } from './config.ts';
import type { ParsedConfig } from './config-schema.ts';

export interface Violation {
  readonly path: Path;
  readonly message: string;
}

const MAX_SNAT_RANGES = 4;
const MAX_SNAT_ADDRESSES = 256;

export function violations(config: Partial<ParsedConfig>): Violation[] {
  return [
    ...(config.source ? unusedSourceKeys(config.source) : []),
    ...(config.vips ? overlappingRanges(config.vips.ranges) : []),
    ...(config.devices ? repeatedDevices(config.devices, config.vips?.device.name) : []),
    ...(config.snat ? snatViolations(config.snat, config.vips?.ranges ?? []) : []),
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

/** A kubeconfig beside a directory of manifests is a misunderstanding that would go unnoticed. */
function unusedSourceKeys({ kind, kubeconfig, namespaces }: ParsedConfig['source']): Violation[] {
  if (kind === 'kubernetes') return [];
  const given = [
    ...(kubeconfig === undefined ? [] : ['kubeconfig']),
    ...(namespaces.length > 0 ? ['namespaces'] : []),
  ];
  return given.map((key) => ({
    path: ['source', key],
    message: `is not used with source.kind: ${kind}; give source.kind: kubernetes, or leave it out`,
  }));
}

function overlappingRanges(ranges: readonly Prefix4[]): Violation[] {
  return ranges.flatMap((range, index) => {
    const other = ranges
      .slice(0, index)
      .find((before) => prefixContains(before, range.network) || prefixContains(range, before.network));
    if (other === undefined) return [];
    const message = `${formatPrefix4(range)} overlaps ${formatPrefix4(other)}; write each address once`;
    return [{ path: ['vips', 'ranges', index], message }];
  });
}

function repeatedDevices(devices: ParsedConfig['devices'], vipDevice: string | undefined): Violation[] {
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

function snatViolations(snat: ParsedConfig['snat'], vips: readonly Prefix4[]): Violation[] {
  if ((snat.addresses === undefined) === (snat.own === undefined)) {
    const message =
      snat.own === undefined
        ? 'needs addresses (a dedicated pool, recommended) or own (an address of this node)'
        : 'has addresses and own; only one of them can be used';
    return [{ path: ['snat'], message }];
  }
  const found: Violation[] = [];
  const parts = snat.addresses?.map((range, index) => ({ ...range, path: ['snat', 'addresses', index] })) ?? [
    { first: snat.own ?? 0, count: 1, path: ['snat', 'own'] },
  ];
  parts.forEach((part, index) => {
    const last = part.first + part.count - 1;
    const vip = vips.find((range) => part.first < range.network + prefixSize(range) && range.network <= last);
    if (vip !== undefined) {
      const message = `lies in the VIP range ${formatPrefix4(vip)}; take addresses that are nobody's VIP`;
      found.push({ path: part.path, message: `${span(part)} ${message}` });
    }
    const other = parts
      .slice(0, index)
      .find((before) => before.first <= last && part.first < before.first + before.count);
    if (other !== undefined) {
      found.push({
        path: part.path,
        message: `${span(part)} overlaps ${span(other)}; write each address once`,
      });
    }
  });
  return found.length > 0 ? found : snatSizeViolations(parts);
}

function snatSizeViolations(parts: ReadonlyArray<{ first: number; count: number }>): Violation[] {
  const path = ['snat', 'addresses'];
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  const joined = joinRanges(parts, false);
  const found: Violation[] = [];
  if (total > MAX_SNAT_ADDRESSES) {
    found.push({ path, message: `${total} addresses; at most ${MAX_SNAT_ADDRESSES} are possible` });
  }
  if (joined.length > MAX_SNAT_RANGES) {
    const message = `${joined.length} separate ranges; at most ${MAX_SNAT_RANGES} are possible: take addresses that follow each other`;
    found.push({ path, message });
  }
  return found;
}

/** Sorted by address, neighbours joined. The ranges must not overlap. */
export function joinRanges(
  parts: ReadonlyArray<{ first: number; count: number }>,
  own: boolean,
): SnatRange[] {
  const joined: SnatRange[] = [];
  for (const { first, count } of [...parts].sort((a, b) => a.first - b.first)) {
    const before = joined.at(-1);
    if (before !== undefined && before.first + before.count === first) {
      joined[joined.length - 1] = { ...before, count: before.count + count };
    } else joined.push({ first, count, own });
  }
  return joined;
}

function span({ first, count }: { first: number; count: number }): string {
  return count === 1 ? formatIpv4(first) : `${formatIpv4(first)}-${formatIpv4(first + count - 1)}`;
}
