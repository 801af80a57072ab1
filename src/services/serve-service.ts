/** How one Service is served: what follows from it, its slices, its ports, the families of its VIPs and the nodes alone. */
import type { Family } from '../net/address.ts';
import type { EndpointSlice, Service } from '../sources/kube-objects.ts';
import { backendKindOf } from './backend-kind.ts';
import type { DesiredService, Problem } from './desired-state.ts';
import { reportUnusedWeights } from './endpoint-weights.ts';
import { reportUnknownAnnotations } from './known-annotations.ts';
import type { NodePool } from './node-pool.ts';
import { reportAbout } from './report.ts';
import { backendsFor } from './serve-family.ts';
import { backendsOf } from './service-backends.ts';
import { serviceEndpoints } from './service-endpoints.ts';
import { servicePolicy } from './service-policy.ts';
import type { ServedPort } from './service-ports.ts';
import type { ServiceSettings } from './service-settings.ts';
import { sourceRangesOf } from './source-range-list.ts';
import { reportTableFit, tableSizeOf } from './table-size.ts';

/** How the frontends of a port and family are served. */
export type Serving = Pick<
  DesiredService,
  'tableSize' | 'mode' | 'affinity' | 'hash3' | 'window' | 'sourceRanges' | 'backends'
>;

export interface Served {
  /** By {@link portKey}; a family that is not there is not served. */
  readonly how: ReadonlyMap<string, Partial<Record<Family, Serving>>>;
  readonly problems: readonly Problem[];
}

export function serveService(
  service: Service,
  slices: readonly EndpointSlice[],
  ports: readonly ServedPort[],
  families: readonly Family[],
  nodes: NodePool,
  settings: ServiceSettings,
): Served {
  const problems: Problem[] = [];
  const report = reportAbout(service, problems);
  reportUnknownAnnotations(service, report);
  const kind = backendKindOf(service, settings, report);
  const policy = servicePolicy(service, kind, settings, report);
  const tableSize = tableSizeOf(service, settings.defaultTableSize, report);
  const rangesOf = sourceRangesOf(service, report);
  const endpoints = serviceEndpoints(service, slices, ports, settings.ranges, problems);
  const lists = ports.map((port, index) =>
    backendsOf(service, port, endpoints[index] ?? NO_ENDPOINTS, kind, nodes, report),
  );
  const how = new Map(ports.map((port) => [portKey(port), {} as Partial<Record<Family, Serving>>]));
  if (kind === 'node-ports' && service.externalTrafficPolicy !== 'Local')
    reportUnusedWeights(slices, problems);
  for (const family of families) {
    const sourceRanges = rangesOf(family);
    for (const [index, port] of ports.entries()) {
      const byFamily = lists[index] ?? { 4: [], 6: [] };
      const backends = backendsFor(family, byFamily, policy.mode, settings, report);
      if (backends === undefined) continue;
      reportTableFit(portKey(port), backends, tableSize, report);
      const serving = { ...policy, tableSize, backends };
      Object.assign(how.get(portKey(port)) as object, {
        [family]: sourceRanges === undefined ? serving : { ...serving, sourceRanges },
      });
    }
  }
  return { how, problems };
}

const NO_ENDPOINTS = { 4: [], 6: [] };

/** `53/UDP` */
export function portKey({ port, protocol }: ServedPort): string {
  return `${port}/${protocol}`;
}
