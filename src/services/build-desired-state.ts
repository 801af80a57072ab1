/**
 * Kubernetes objects -> what the dataplane should do. Pure: the answer depends on the objects and the
 * settings only, not on their order.
 */
import { compareAddresses, type Family, familyOf, type IpAddress } from '../net/address.ts';
import type { EndpointSlice, Service } from '../sources/kube-objects.ts';
import { type Claim, formatFrontend, frontendOf, settleClaims } from './claim-frontends.ts';
import type { DesiredService, DesiredState, Problem } from './desired-state.ts';
import { type Report, reportAbout } from './report.ts';
import { backendsFor } from './serve-family.ts';
import { serviceAddresses } from './service-addresses.ts';
import { serviceBackends } from './service-backends.ts';
import { canHaveFrontends, servicePolicy } from './service-policy.ts';
import { type ServedPort, servedPorts } from './service-ports.ts';
import type { ServiceSettings } from './service-settings.ts';
import { sortProblems } from './sort-problems.ts';
import { sourceRangesOf } from './source-range-list.ts';
import { reportTableFit, tableSizeOf } from './table-size.ts';

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
  const desired: Array<{ address: IpAddress; service: DesiredService }> = [];
  for (const [service, own] of groupByService(won)) {
    const ports = [...new Set(own.map(({ port }) => port))];
    const families = [...new Set(own.map(({ address }) => familyOf(address.address)))].sort();
    const served = servedOf(service, slicesOf.get(keyOf(service)) ?? [], ports, families, settings);
    problems.push(...served.problems);
    for (const claim of own) {
      const { address } = claim.address;
      const how = served.how.get(portKey(claim.port))?.[familyOf(address)];
      if (how !== undefined) desired.push({ address, service: desiredService(claim, how) });
    }
  }
  desired.sort((a, b) => compareAddresses(a.address, b.address) || compareFrontends(a.service, b.service));
  return { services: desired.map(({ service }) => service), problems: sortProblems(problems) };
}

/** How the frontends of a port and family are served. */
type Serving = Pick<
  DesiredService,
  'tableSize' | 'mode' | 'affinity' | 'hash3' | 'window' | 'sourceRanges' | 'backends'
>;

/** What follows from a Service, its slices, its ports and the families of its VIPs alone. */
interface Served {
  /** By {@link portKey}; a family that is not there is not served. */
  readonly how: ReadonlyMap<string, Partial<Record<Family, Serving>>>;
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
  families: readonly Family[],
  settings: ServiceSettings,
): Served {
  const asked = [settings, families.join(), ports.map(portKey).join(), ...slices];
  const last = lastServed.get(service);
  if (last?.asked.length === asked.length && last.asked.every((each, index) => each === asked[index])) {
    return last.served;
  }
  const served = serve(service, slices, ports, families, settings);
  lastServed.set(service, { asked, served });
  return served;
}

function serve(
  service: Service,
  slices: readonly EndpointSlice[],
  ports: readonly ServedPort[],
  families: readonly Family[],
  settings: ServiceSettings,
): Served {
  const problems: Problem[] = [];
  const report = reportAbout(service, problems);
  const policy = servicePolicy(service, settings, report);
  const tableSize = tableSizeOf(service, settings.defaultTableSize, report);
  const rangesOf = sourceRangesOf(service, report);
  const lists = serviceBackends(service, slices, ports, settings.ranges, problems);
  const how = new Map(ports.map((port) => [portKey(port), {} as Partial<Record<Family, Serving>>]));
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

/** `53/UDP` */
function portKey({ port, protocol }: ServedPort): string {
  return `${port}/${protocol}`;
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

function desiredService(claim: Claim, serving: Serving): DesiredService {
  const { service, address, port } = claim;
  return {
    frontend: frontendOf(claim),
    namespace: service.namespace,
    name: service.name,
    ...(port.name === '' ? {} : { portName: port.name }),
    type: address.type,
    ...serving,
  };
}

function compareFrontends({ frontend: a }: DesiredService, { frontend: b }: DesiredService): number {
  return a.port - b.port || (a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : 0);
}
