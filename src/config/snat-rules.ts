/** Rules between the addresses of SNAT, of VIPs and of outer headers. */
import { compareAddresses, familyOf, type IpAddress } from '../net/address.ts';
import { type AddressRange, formatRange, lastOfRange } from '../net/address-range.ts';
import { addressAfter, formatPrefix, lastAddressOf, networkOf, type Prefix } from '../net/prefix.ts';
import type { Path } from '../yaml/located-yaml.ts';
import type { SnatRange } from './config.ts';
import type { Violation } from './config-rules.ts';
import type { ParsedConfig } from './config-schema.ts';

const MAX_SNAT_RANGES = 4;
const MAX_SNAT_ADDRESSES = 256;

export function snatViolations(
  snat: NonNullable<ParsedConfig['snat']>,
  vips: readonly Prefix[],
): Violation[] {
  if ((snat.addresses === undefined) === (snat.own === undefined)) {
    const message =
      snat.own === undefined
        ? 'needs addresses (a dedicated pool, recommended) or own (an address of this node)'
        : 'has addresses and own; only one of them can be used';
    return [{ path: ['snat'], message }];
  }
  const found: Violation[] = [];
  const parts = [
    ...(snat.addresses ?? []).map((range, index) => ({ ...range, path: ['snat', 'addresses', index] })),
    ...(snat.own ?? []).map((first) => ({ first, count: 1, path: ['snat', 'own'] })),
  ];
  parts.forEach((part, index) => {
    const vip = vips.find((range) => overlaps(part.first, lastOfRange(part), range));
    if (vip !== undefined) {
      const message = `lies in the VIP range ${formatPrefix(vip)}; take addresses that are nobody's VIP`;
      found.push({ path: part.path, message: `${formatRange(part)} ${message}` });
    }
    const other = parts.slice(0, index).find((before) => rangesMeet(before, part));
    if (other !== undefined) {
      found.push({
        path: part.path,
        message: `${formatRange(part)} overlaps ${formatRange(other)}; write each address once`,
      });
    }
  });
  return found.length > 0 ? found : sizeViolations(parts);
}

function sizeViolations(parts: readonly AddressRange[]): Violation[] {
  const path: Path = ['snat', 'addresses'];
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  const joined = joinRanges(parts, false);
  const found: Violation[] = [];
  if (total > MAX_SNAT_ADDRESSES) {
    found.push({ path, message: `${total} addresses; at most ${MAX_SNAT_ADDRESSES} are possible` });
  }
  for (const family of [4, 6]) {
    const ranges = joined.filter(({ first }) => familyOf(first) === family).length;
    if (ranges <= MAX_SNAT_RANGES) continue;
    const message = `${ranges} separate ranges of IPv${family}; at most ${MAX_SNAT_RANGES} are possible: take addresses that follow each other`;
    found.push({ path, message });
  }
  return found;
}

/** IPv4 first, sorted by address, neighbours joined. The ranges must not overlap. */
export function joinRanges(parts: readonly AddressRange[], own: boolean): SnatRange[] {
  const joined: SnatRange[] = [];
  for (const { first, count } of [...parts].sort((a, b) => compareAddresses(a.first, b.first))) {
    const before = joined.at(-1);
    if (before !== undefined && follows(before, first)) {
      joined[joined.length - 1] = { ...before, count: before.count + count };
    } else joined.push({ first, count, own });
  }
  return joined;
}

/** Of IPv6 the first 96 bits must be the same. */
function follows(before: AddressRange, first: IpAddress): boolean {
  if (familyOf(before.first) !== familyOf(first)) return false;
  if (addressAfter(before.first, before.count) !== first) return false;
  return typeof first === 'number' || networkOf(first, 96) === networkOf(before.first, 96);
}

export function outerSourceViolations(sources: readonly Prefix[], vips: readonly Prefix[]): Violation[] {
  return sources.flatMap((source, index) => {
    const path: Path = ['dsr', 'source', index];
    const { network } = source;
    const family = familyOf(network);
    const other = sources.slice(0, index).find((before) => familyOf(before.network) === family);
    if (other !== undefined) {
      const message = `${formatPrefix(source)} is a second source of IPv${family}, beside ${formatPrefix(other)}; give one of each family`;
      return [{ path, message }];
    }
    const vip = vips.find((range) => overlaps(network, lastAddressOf(source), range));
    if (vip === undefined) return [];
    const message = `${formatPrefix(source)} lies in the VIP range ${formatPrefix(vip)}; take addresses that are nobody's VIP`;
    return [{ path, message }];
  });
}

function overlaps(first: IpAddress, last: IpAddress, range: Prefix): boolean {
  if (familyOf(first) !== familyOf(range.network)) return false;
  return first <= lastAddressOf(range) && range.network <= last;
}

function rangesMeet(x: AddressRange, y: AddressRange): boolean {
  if (familyOf(x.first) !== familyOf(y.first)) return false;
  return x.first <= lastOfRange(y) && y.first <= lastOfRange(x);
}
