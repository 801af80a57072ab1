/** What is known of one Service, and what follows from it. */
import { isDeepStrictEqual } from 'node:util';
import { compareAddresses, familyOf, type IpAddress } from '../net/address.ts';
import type { EndpointSlice, Service } from '../sources/kube-objects.ts';
import { usesNodePorts } from './backend-kind.ts';
import { type Claim, formatFrontend, frontendOf } from './claim-frontends.ts';
import type { DesiredService, Problem } from './desired-state.ts';
import { NO_NODES, type NodePool } from './node-pool.ts';
import { type Report, reportAbout } from './report.ts';
import { portKey, type Served, type Serving, serveService } from './serve-service.ts';
import { serviceAddresses } from './service-addresses.ts';
import { canHaveFrontends } from './service-policy.ts';
import { servedPorts } from './service-ports.ts';
import type { ServiceSettings } from './service-settings.ts';

/** A service with what it is sorted by. */
export interface PlacedService {
  readonly address: IpAddress;
  readonly service: DesiredService;
}

export interface ServiceEntry {
  /** namespace/name */
  readonly key: string;
  /** Undefined: there are slices for it only. */
  service: Service | undefined;
  slices: readonly EndpointSlice[];
  claims: readonly Claim[];
  /** Of its addresses and ports. */
  claimProblems: readonly Problem[];
  /** The last answer, and what was asked; objects are never changed in place. */
  last: { readonly asked: readonly unknown[]; readonly served: Served } | undefined;
  /** How each frontend was served, to keep the objects of what did not change. */
  placed: readonly PlacedService[];
  problems: readonly Problem[];
}

export function newEntry(key: string): ServiceEntry {
  return {
    key,
    service: undefined,
    slices: [],
    claims: [],
    claimProblems: [],
    last: undefined,
    placed: [],
    problems: [],
  };
}

export function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}

export function claimsOf(service: Service, settings: ServiceSettings, problems: Problem[]): Claim[] {
  const report = reportAbout(service, problems);
  const addresses = serviceAddresses(service, settings.ranges, report);
  // Without an address of ours the Service is none of our business, whatever it is.
  if (addresses.length === 0 || !canHaveFrontends(service, report)) return [];
  const ports = servedPorts(service, report);
  return addresses.flatMap((address) => ports.map((port) => ({ service, address, port })));
}

/** What follows from the entry now. `ownerOf` a claim: the one that has its frontend. */
export function settleEntry(
  entry: ServiceEntry,
  ownerOf: (claim: Claim) => Claim,
  nodes: NodePool,
  settings: ServiceSettings,
): Pick<ServiceEntry, 'placed' | 'problems'> {
  const { service, slices } = entry;
  if (service === undefined) return { placed: [], problems: slices.map(lonelySlice) };
  const problems: Problem[] = [...entry.claimProblems];
  const won: Claim[] = [];
  for (const claim of entry.claims) {
    const owner = ownerOf(claim);
    if (owner === claim) won.push(claim);
    else reportDuplicate(claim, owner, reportAbout(service, problems));
  }
  if (won.length === 0) return { placed: [], problems };
  const served = servedOf(entry, service, won, nodes, settings);
  problems.push(...served.problems);
  const placed = won.flatMap((claim): PlacedService[] => {
    const { address } = claim.address;
    const how = served.how.get(portKey(claim.port))?.[familyOf(address)];
    return how === undefined ? [] : [kept(entry, { address, service: desiredService(claim, how) })];
  });
  return { placed, problems };
}

function servedOf(
  entry: ServiceEntry,
  service: Service,
  won: readonly Claim[],
  all: NodePool,
  settings: ServiceSettings,
): Served {
  const nodes = usesNodePorts(service, settings) ? all : NO_NODES;
  const ports = [...new Set(won.map(({ port }) => port))];
  const families = [...new Set(won.map(({ address }) => familyOf(address.address)))].sort();
  const asked = [settings, service, families.join(), ports.map(portKey).join(), nodes, ...entry.slices];
  const { last } = entry;
  if (last?.asked.length === asked.length && last.asked.every((each, index) => each === asked[index])) {
    return last.served;
  }
  const now = serveService(service, entry.slices, ports, families, nodes, settings);
  // Most changes of nodes change nothing for a Service that few of them serve.
  const served =
    nodes !== NO_NODES && last !== undefined && isDeepStrictEqual(now, last.served) ? last.served : now;
  entry.last = { asked, served };
  return served;
}

/** The object of before if it says the same. */
function kept({ placed }: ServiceEntry, next: PlacedService): PlacedService {
  const before = placed.find(
    ({ address, service: { frontend } }) =>
      address === next.address &&
      frontend.port === next.service.frontend.port &&
      frontend.protocol === next.service.frontend.protocol,
  );
  return before !== undefined && isSame(before.service, next.service) ? before : next;
}

function isSame({ frontend: _x, ...x }: DesiredService, { frontend: _y, ...y }: DesiredService): boolean {
  const names = new Set([...Object.keys(x), ...Object.keys(y)]);
  return [...names].every((name) => x[name as keyof typeof x] === y[name as keyof typeof y]);
}

function reportDuplicate(claim: Claim, owner: Claim, report: Report): void {
  const { origin } = owner.service;
  const place = origin === undefined ? '' : ` (${origin.file}:${origin.line})`;
  const message = `${formatFrontend(frontendOf(claim))} is already a frontend of Service ${keyOf(owner.service)}${place}, which keeps it; take another address or port`;
  report('error', 'duplicate-frontend', message, claim.address.field);
}

/** The problem of a slice whose Service is not there, or that names none. */
export function lonelySlice(slice: EndpointSlice): Problem {
  const problems: Problem[] = [];
  const message =
    slice.service === undefined
      ? 'has no label kubernetes.io/service-name, so it belongs to no Service'
      : `belongs to Service ${slice.namespace}/${slice.service} (label kubernetes.io/service-name), which is not there`;
  reportAbout(slice, problems)('warning', 'slice-without-service', message);
  return problems[0] as Problem;
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

/** By VIP, then port, then protocol. */
export function comparePlaces(a: PlacedService, b: PlacedService): number {
  const [x, y] = [a.service.frontend, b.service.frontend];
  const byPlace = compareAddresses(a.address, b.address) || x.port - y.port;
  return byPlace || (x.protocol < y.protocol ? -1 : x.protocol > y.protocol ? 1 : 0);
}
