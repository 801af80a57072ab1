/**
 * Which backends serve the VIPs of a family: those of the family. Outer headers can carry another one, and
 * do where a service has no endpoint of the VIP's own.
 */
import type { Family } from '../net/address.ts';
import { type DesiredBackend, isTunnel, type ServiceMode } from './desired-state.ts';
import type { Report } from './report.ts';
import type { BackendsByFamily } from './service-backends.ts';
import type { ServiceSettings } from './service-settings.ts';

/** Undefined: the mode has no address to send from, so that the VIP cannot be served at all. */
export function backendsFor(
  vip: Family,
  byFamily: BackendsByFamily,
  mode: ServiceMode,
  settings: ServiceSettings,
  report: Report,
): readonly DesiredBackend[] | undefined {
  const other: Family = vip === 4 ? 6 : 4;
  const crosses = byFamily[vip].length === 0 && byFamily[other].length > 0;
  if (mode === 'snat' && !settings.snatFamilies.includes(vip)) {
    const message = `mode snat has no IPv${vip} address to send from, so the IPv${vip} VIPs are not served; add one to snat.addresses, or set l4lb.io/mode`;
    report('error', 'no-snat-address', message);
    return undefined;
  }
  if (crosses && !isTunnel(mode)) {
    const message = `all backends are IPv${other}, which mode ${mode} cannot reach from IPv${vip} VIPs, so these have none; add IPv${vip} endpoints, or use mode ipip or gue, which need pods as backends`;
    report('warning', 'no-backend-of-family', message);
    return [];
  }
  const family = crosses ? other : vip;
  const backends = byFamily[family];
  if (isTunnel(mode) && backends.length > 0 && settings.dsr?.sourceFamilies.includes(family) !== true) {
    const message = `mode ${mode} has no IPv${family} address to send from to the IPv${family} endpoints, so the IPv${vip} VIPs are not served; add one to dsr.source`;
    report('error', 'no-outer-source', message);
    return undefined;
  }
  return backends;
}
