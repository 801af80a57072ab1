/** The backends of a Service's ports: its endpoints, or the nodes by which they are reached. */
import type { Family } from '../net/address.ts';
import type { Service } from '../sources/kube-objects.ts';
import type { BackendKind, DesiredBackend } from './desired-state.ts';
import { nodeBackends } from './node-backends.ts';
import type { NodePool } from './node-pool.ts';
import type { Report } from './report.ts';
import { selectBackends } from './select-backends.ts';
import type { EndpointsByFamily } from './service-endpoints.ts';
import type { ServedPort } from './service-ports.ts';
import { MAX_BACKENDS } from './table-size.ts';

/** Backends of one port. */
export type BackendsByFamily = Readonly<Record<Family, readonly DesiredBackend[]>>;

/** Of the port, from its endpoints. */
export function backendsOf(
  service: Service,
  port: ServedPort,
  endpoints: EndpointsByFamily,
  kind: BackendKind,
  nodes: NodePool,
  report: Report,
): BackendsByFamily {
  const byFamily =
    kind === 'pods'
      ? { 4: selectBackends(endpoints[4]), 6: selectBackends(endpoints[6]) }
      : nodeBackends(service, port, endpoints, nodes, report);
  return { 4: bounded(byFamily[4], port, report), 6: bounded(byFamily[6], port, report) };
}

/** Active ones first when not all can be had; the rest would not fit the index in a slot. */
function bounded(
  backends: readonly DesiredBackend[],
  port: ServedPort,
  report: Report,
): readonly DesiredBackend[] {
  if (backends.length <= MAX_BACKENDS) return backends;
  const message = `${port.port}/${port.protocol} has ${backends.length} backends; ${MAX_BACKENDS} are possible, the others get nothing`;
  report('error', 'too-many-backends', message, port.field);
  const keep = new Set(
    [...backends]
      .sort((a, b) => Number(b.state === 'active') - Number(a.state === 'active'))
      .slice(0, MAX_BACKENDS),
  );
  return backends.filter((backend) => keep.has(backend));
}
