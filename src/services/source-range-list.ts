/** Which clients a Service is for: loadBalancerSourceRanges. */
import { compareAddresses, type Family, familyOf } from '../net/address.ts';
import { formatPrefix, type Prefix, parsePrefix } from '../net/prefix.ts';
import type { Service } from '../sources/kube-objects.ts';
import { type Report, shown } from './report.ts';

const SOURCE_RANGES_ANNOTATION = 'service.beta.kubernetes.io/load-balancer-source-ranges';

/** CIDRs of the family that may come, sorted; undefined: everybody. */
export type SourceRangesOf = (family: Family) => readonly string[] | undefined;

/**
 * A range that cannot be read lets nobody in, and a Service with ranges of one family only is closed to
 * the other: what restricts must not open.
 */
export function sourceRangesOf(service: Service, report: Report): SourceRangesOf {
  const written = writtenRanges(service);
  const prefixes = written.flatMap(({ text, field }): Prefix[] => {
    const prefix = parsePrefix(text);
    if (prefix !== undefined) return [prefix];
    const message = `${shown(text)} is no CIDR such as 192.0.2.0/24 or 2001:db8::/32; it lets nobody in`;
    report('error', 'invalid-source-range', message, field);
    return [];
  });
  const isOpen =
    written.length === 0 || (prefixes.length > 0 && prefixes.every(({ length }) => length === 0));
  return (family) => {
    const own = prefixes.filter(({ network }) => familyOf(network) === family);
    if (isOpen || own.some(({ length }) => length === 0)) return undefined;
    if (own.length === 0) {
      const message = `no source range is IPv${family}, so nobody may come to the IPv${family} VIPs; add one`;
      report('warning', 'source-ranges-family', message, written[0]?.field);
    }
    const sorted = [...own].sort((a, b) => compareAddresses(a.network, b.network) || a.length - b.length);
    return [...new Set(sorted.map(formatPrefix))];
  };
}

interface WrittenRange {
  readonly text: string;
  readonly field: string;
}

function writtenRanges(service: Service): WrittenRange[] {
  const ranges = service.loadBalancerSourceRanges;
  if (ranges.length > 0) {
    return ranges.map((text, index) => ({
      text: text.trim(),
      field: `spec.loadBalancerSourceRanges.${index}`,
    }));
  }
  // The older way to say it, which Kubernetes still obeys when the field is empty.
  const annotation = service.annotations[SOURCE_RANGES_ANNOTATION]?.trim() ?? '';
  const field = `metadata.annotations.${SOURCE_RANGES_ANNOTATION}`;
  return annotation === '' ? [] : annotation.split(',').map((text) => ({ text: text.trim(), field }));
}
