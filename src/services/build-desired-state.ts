/**
 * Kubernetes objects -> what the dataplane should do. Pure: the answer depends on the objects and the
 * settings only, not on their order.
 */
import type { Prefix4 } from '../net/ipv4.ts';
import type { EndpointSlice, Service } from '../sources/kube-objects.ts';
import { type Claim, formatFrontend, frontendOf, settleClaims } from './claim-frontends.ts';
import type { DesiredBackend, DesiredService, DesiredState, Problem } from './desired-state.ts';
import { type Report, reportAbout } from './report.ts';
import { serviceAddresses } from './service-addresses.ts';
import { serviceBackends } from './service-backends.ts';
import { canHaveFrontends, mayBeServed } from './service-policy.ts';
import { type ServedPort, servedPorts } from './service-ports.ts';
import { sortProblems } from './sort-problems.ts';
import { reportTableFit, tableSizeOf } from './table-size.ts';

export interface ServiceSettings {
  /** The VIP ranges of the configuration. */
  readonly ranges: readonly Prefix4[];
  /** Slots of a Maglev table where the Service does not say: one of TABLE_SIZES. */
  readonly defaultTableSize: number;
}

/** Services and slices must be unique by namespace and name, as sources give them. */
export function buildDesiredState(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  settings: ServiceSettings,
): DesiredState {
  const problems: Problem[] = [];
  const slicesOf = groupSlices(services, slices, problems);
  const claims = services.flatMap((service) => claimsOf(service, settings, problems));
  const { won, lost } = settleClaims(claims);
  for (const { claim, to } of lost) reportDuplicate(claim, to, reportAbout(claim.service, problems));
  const desired: Array<{ address: number; service: DesiredService }> = [];
  for (const [service, own] of groupByService(won)) {
    const ports = [...new Set(own.map(({ port }) => port))];
    const served = servedOf(service, slicesOf.get(keyOf(service)) ?? [], ports, settings);
    problems.push(...served.problems);
    if (served.lists === undefined) continue;
    for (const claim of own) {
      const backends = served.lists[ports.indexOf(claim.port)] ?? [];
      const { tableSize } = served;
      desired.push({ address: claim.address.address, service: desiredService(claim, tableSize, backends) });
    }
  }
  desired.sort((a, b) => a.address - b.address || compareFrontends(a.service, b.service));
  return { services: desired.map(({ service }) => service), problems: sortProblems(problems) };
}

/** What follows from a Service, its slices and its ports alone. */
interface Served {
  /** Backends by port; undefined: must not be served. */
  readonly lists: DesiredBackend[][] | undefined;
  readonly tableSize: number;
  readonly problems: readonly Problem[];
}

/**
 * The last answer for each Service, because one of ten thousand changes at a time. Objects are never
 * changed in place, so the answer is good while it is asked with the same ones.
 */
const lastServed = new WeakMap<Service, { readonly asked: readonly unknown[]; readonly served: Served }>();

function servedOf(
  service: Service,
  slices: readonly EndpointSlice[],
  ports: readonly ServedPort[],
  settings: ServiceSettings,
): Served {
  const numbers = ports.map(({ port, protocol }) => `${port}/${protocol}`).join();
  const asked = [settings.ranges, settings.defaultTableSize, numbers, ...slices];
  const last = lastServed.get(service);
  if (last?.asked.length === asked.length && last.asked.every((each, index) => each === asked[index])) {
    return last.served;
  }
  const served = serve(service, slices, ports, settings);
  lastServed.set(service, { asked, served });
  return served;
}

function serve(
  service: Service,
  slices: readonly EndpointSlice[],
  ports: readonly ServedPort[],
  { ranges, defaultTableSize }: ServiceSettings,
): Served {
  const problems: Problem[] = [];
  const report = reportAbout(service, problems);
  if (!mayBeServed(service, report)) return { lists: undefined, tableSize: defaultTableSize, problems };
  const tableSize = tableSizeOf(service, defaultTableSize, report);
  const lists = serviceBackends(service, slices, ports, ranges, problems);
  for (const [index, { port, protocol }] of ports.entries()) {
    reportTableFit(`${port}/${protocol}`, lists[index] ?? [], tableSize, report);
  }
  return { lists, tableSize, problems };
}

function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}

function claimsOf(service: Service, settings: ServiceSettings, problems: Problem[]): Claim[] {
  const report = reportAbout(service, problems);
  const addresses = serviceAddresses(service, settings.ranges, report);
  // Without an address of ours the Service is none of our business, whatever it is.
  if (addresses.length === 0 || !canHaveFrontends(service, report)) return [];
  const ports = servedPorts(service, report);
  return addresses.flatMap((address) => ports.map((port) => ({ service, address, port })));
}

function groupSlices(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  problems: Problem[],
): Map<string, EndpointSlice[]> {
  const known = new Set(services.map(keyOf));
  const groups = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    if (slice.service === undefined) {
      const message = 'has no label kubernetes.io/service-name, so it belongs to no Service';
      reportAbout(slice, problems)('warning', 'slice-without-service', message);
      continue;
    }
    const key = `${slice.namespace}/${slice.service}`;
    if (!known.has(key)) {
      const message = `belongs to Service ${key} (label kubernetes.io/service-name), which is not there`;
      reportAbout(slice, problems)('warning', 'slice-without-service', message);
    }
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [slice]);
    else group.push(slice);
  }
  return groups;
}

function groupByService(claims: readonly Claim[]): Map<Service, Claim[]> {
  const groups = new Map<Service, Claim[]>();
  for (const claim of claims) {
    const group = groups.get(claim.service);
    if (group === undefined) groups.set(claim.service, [claim]);
    else group.push(claim);
  }
  return groups;
}

function reportDuplicate(claim: Claim, owner: Claim, report: Report): void {
  const { origin } = owner.service;
  const place = origin === undefined ? '' : ` (${origin.file}:${origin.line})`;
  const message = `${formatFrontend(frontendOf(claim))} is already a frontend of Service ${keyOf(owner.service)}${place}, which keeps it; take another address or port`;
  report('error', 'duplicate-frontend', message, claim.address.field);
}

function desiredService(
  claim: Claim,
  tableSize: number,
  backends: readonly DesiredBackend[],
): DesiredService {
  const { service, address, port } = claim;
  return {
    frontend: frontendOf(claim),
    namespace: service.namespace,
    name: service.name,
    ...(port.name === '' ? {} : { portName: port.name }),
    type: address.type,
    tableSize,
    backends,
  };
}

function compareFrontends({ frontend: a }: DesiredService, { frontend: b }: DesiredService): number {
  return a.port - b.port || (a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : 0);
}
