/** Rules between the pools of the controller, the VIP ranges and the source. */
import { formatSpan, spansMeet } from '../net/address-span.ts';
import { formatPrefix, type Prefix, prefixContains } from '../net/prefix.ts';
import type { Violation } from './config-rules.ts';
import type { ParsedConfig } from './config-schema.ts';

/** `vips`: none where that section has errors of its own. */
export function controllerViolations(
  { enabled, pools }: ParsedConfig['controller'],
  source: ParsedConfig['source'] | undefined,
  vips: readonly Prefix[],
): Violation[] {
  const found: Violation[] = [];
  if (enabled && source?.kind === 'manifests') {
    const message = 'needs source.kind: kubernetes: a directory has nothing that could be written to';
    found.push({ path: ['controller', 'enabled'], message });
  }
  const before: Array<{ name: string; span: ParsedConfig['controller']['pools'][0]['addresses'][0] }> = [];
  pools.forEach(({ name, addresses }, index) => {
    const path = ['controller', 'pools', index];
    if (pools.findIndex((pool) => pool.name === name) < index) {
      found.push({
        path: [...path, 'name'],
        message: `"${name}" is there twice; give each pool its own name`,
      });
    }
    addresses.forEach((span, place) => {
      const at = [...path, 'addresses', place];
      const isVip = vips.some(
        (range) => prefixContains(range, span.first) && prefixContains(range, span.last),
      );
      if (vips.length > 0 && !isVip) {
        const ranges = vips.map(formatPrefix).join(', ');
        const message = `${formatSpan(span)} is not inside one of vips.ranges (${ranges}), so it could not be served`;
        found.push({ path: at, message });
      }
      const other = before.find((one) => spansMeet(one.span, span));
      if (other !== undefined) {
        const message = `${formatSpan(span)} overlaps ${formatSpan(other.span)} of pool ${other.name}; write each address once`;
        found.push({ path: at, message });
      }
      before.push({ name, span });
    });
  });
  return found;
}
