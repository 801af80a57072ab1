/** What has to change: desired state against what the maps hold. Pure; the order of stores is apply's. */

import { backendState } from '../layout/generated.ts';
import { identityOf } from '../maglev/backend-identity.ts';
import { quotasOf, type TableMember } from '../maglev/build-table.ts';
import { familyOf, type IpAddress } from '../net/address.ts';
import { type DesiredService, isTunnel, type ServiceMode } from '../services/desired-state.ts';
import type { ListChanges } from '../services/list-changes.ts';
import {
  type ActualBackend,
  type ActualService,
  type EndpointNumber,
  endpointNumber,
} from './actual-state.ts';
import { addressNumber } from './address-number.ts';
import { type FrontendKey, isVipKey, keyNumber, keyOfService, keyOfVip } from './frontend-key.ts';
import { outerChecksum } from './outer-checksum.ts';
import { modeOfFlags, serviceFlags } from './service-flags.ts';
import { sizeClassOf } from './table-word.ts';

/** A backend as it shall be in the maps. */
export interface WantedBackend {
  readonly endpoint: EndpointNumber;
  readonly address: IpAddress;
  readonly port: number;
  /** BACKEND_ACTIVE or BACKEND_DRAINING. */
  readonly state: number;
  readonly weight: number;
  /** Slots in the table. */
  readonly slots: number;
  /** See {@link outerChecksum}. */
  readonly outerChecksum: number;
  /** The one to join with, while the service still has its former mode. */
  readonly joinChecksum: number;
}

/** What has to change on one service. */
export interface ServiceChange {
  readonly key: FrontendKey;
  readonly desired: DesiredService;
  /** Undefined: the service is new. */
  readonly actual: ActualService | undefined;
  readonly wanted: readonly WantedBackend[];
  /** 0: without a table, as no backend takes new flows. */
  readonly sizeClass: number;
  /** The slots have to be filled anew. */
  readonly rebuild: boolean;
  /** Wanted, and not in the service's block. */
  readonly joins: readonly WantedBackend[];
  /** In the maps and not wanted any more. */
  readonly leaves: readonly ActualBackend[];
  /** Entries that take new flows again; before the table names them. */
  readonly activate: readonly ActualBackend[];
  /** Entries that take no new flows any more; after the table stopped naming them. */
  readonly drain: readonly ActualBackend[];
  /** Entries without a next hop, because there was no room for one. */
  readonly unrouted: readonly ActualBackend[];
  /** Entries whose outer checksum is of another mode than the service's next one. */
  readonly restamp: readonly Restamp[];
  /** enum service_flag */
  readonly flags: number;
  /** CIDRs that source_ranges lacks for the service, and those that it has too many. */
  readonly addSources: readonly string[];
  readonly dropSources: readonly string[];
}

/** An entry and the outer checksum that it shall have. */
export interface Restamp {
  readonly entry: ActualBackend;
  readonly checksum: number;
}

export interface Plan {
  readonly newVips: readonly FrontendKey[];
  readonly changes: readonly ServiceChange[];
  readonly removed: readonly ActualService[];
  readonly settled: readonly SettledService[];
}

/** A service that is as it shall be, and the wish it fulfils. */
export interface SettledService {
  readonly actual: ActualService;
  readonly desired: DesiredService;
}

/** What of the node and its configuration the plan depends on. */
export interface PlanFacts {
  /**
   * Addresses that are answered like a VIP in use, though no service has them: those of the VIP device.
   */
  readonly ownAddresses: readonly IpAddress[];
  /** The network part of the outer IPv4 source, a natural number. */
  readonly outerSource: number;
}

/** Compares everything; may pause between services. */
export function* planChanges(
  desired: readonly DesiredService[],
  { ownAddresses, outerSource }: PlanFacts,
  actual: ReadonlyMap<number | bigint, ActualService>,
): Generator<void, Plan> {
  const keep = new Set<number | bigint>();
  const vips = new Set<IpAddress>(ownAddresses);
  const plan = { changes: [] as ServiceChange[], settled: [] as SettledService[] };
  for (const service of desired) {
    const key = keyOfService(service);
    keep.add(keyNumber(key));
    vips.add(key.vip);
    compareService(plan, key, service, actual.get(keyNumber(key)), outerSource);
    yield;
  }
  const vipKeys = [...vips].map(keyOfVip);
  for (const key of vipKeys) keep.add(keyNumber(key));
  return {
    newVips: vipKeys.filter((key) => !actual.has(keyNumber(key))),
    removed: [...actual.values()].filter(({ key }) => !keep.has(keyNumber(key))).sort(vipsLast),
    ...plan,
  };
}

/**
 * The same where everything but this is as it was wished before. `isVipUsed`: by what is desired now, or
 * by the VIP device.
 */
export function* planDifference(
  { gone, come }: ListChanges<DesiredService>,
  { isVipUsed, outerSource }: Pick<PlanFacts, 'outerSource'> & { isVipUsed: (vip: IpAddress) => boolean },
  actual: ReadonlyMap<number | bigint, ActualService>,
): Generator<void, Plan> {
  const plan = { changes: [] as ServiceChange[], settled: [] as SettledService[] };
  const keep = new Set<number | bigint>();
  const newVips = new Map<IpAddress, FrontendKey>();
  for (const service of come) {
    const key = keyOfService(service);
    keep.add(keyNumber(key));
    if (!actual.has(keyNumber(keyOfVip(key.vip)))) newVips.set(key.vip, keyOfVip(key.vip));
    compareService(plan, key, service, actual.get(keyNumber(key)), outerSource);
    yield;
  }
  const removed = new Set<ActualService>();
  const remove = (key: FrontendKey): void => {
    const found = actual.get(keyNumber(key));
    if (found !== undefined) removed.add(found);
  };
  for (const service of gone) {
    const key = keyOfService(service);
    if (!keep.has(keyNumber(key))) remove(key);
    if (!isVipUsed(key.vip)) remove(keyOfVip(key.vip));
    yield;
  }
  return { newVips: [...newVips.values()], removed: [...removed].sort(vipsLast), ...plan };
}

/** An entry for a VIP is needed as long as a service has it. */
function vipsLast(x: ActualService, y: ActualService): number {
  return Number(isVipKey(x.key)) - Number(isVipKey(y.key));
}

function compareService(
  plan: { readonly changes: ServiceChange[]; readonly settled: SettledService[] },
  key: FrontendKey,
  desired: DesiredService,
  actual: ActualService | undefined,
  outerSource: number,
): void {
  if (actual?.settled !== undefined && sameService(actual.settled, desired)) {
    plan.settled.push({ actual, desired });
    return;
  }
  const change = planService(key, desired, actual, outerSource);
  if (actual !== undefined && isEmptyChange(change)) plan.settled.push({ actual, desired });
  else plan.changes.push(change);
}

export function planService(
  key: FrontendKey,
  desired: DesiredService,
  actual: ActualService | undefined,
  outerSource: number,
): ServiceChange {
  const former = actual === undefined ? desired.mode : modeOfFlags(actual.flags);
  const wanted = wantedBackends(key, desired, outerSource, former);
  const byEndpoint = new Map(wanted.map((backend) => [backend.endpoint, backend]));
  const members = actual?.members ?? new Map<EndpointNumber, ActualBackend>();
  const entries = [...members.values(), ...(actual?.former ?? [])];
  const staying = entries.filter(({ endpoint }) => byEndpoint.has(endpoint));
  const changed = (state: number) =>
    staying.filter((entry) => entry.state !== state && byEndpoint.get(entry.endpoint)?.state === state);
  const sources = desired.sourceRanges ?? [];
  const sizeClass = wanted.some(({ slots }) => slots > 0) ? sizeClassOf(desired.tableSize) : 0;
  return {
    key,
    desired,
    actual,
    wanted,
    sizeClass,
    rebuild:
      actual?.damaged === true ||
      isElsewhere(actual) ||
      sizeClass !== (actual?.table.sizeClass ?? 0) ||
      wanted.some(({ endpoint, slots }) => slots !== (members.get(endpoint)?.slots ?? 0)) ||
      [...members.values()].some(({ endpoint, slots }) => slots > 0 && !byEndpoint.has(endpoint)),
    joins: wanted.filter(({ endpoint }) => !members.has(endpoint)),
    leaves: entries.filter(({ endpoint }) => !byEndpoint.has(endpoint)),
    activate: changed(backendState.BACKEND_ACTIVE),
    drain: changed(backendState.BACKEND_DRAINING),
    unrouted: [...members.values()].filter((entry) => entry.nextHop === 0 && byEndpoint.has(entry.endpoint)),
    // Also of those that leave: the former table names them until it is switched.
    restamp: entries.flatMap((entry) => {
      const wish = byEndpoint.get(entry.endpoint)?.outerChecksum;
      const checksum = wish ?? checksumOfLeaving(key, desired.mode, entry, outerSource);
      return checksum === entry.outerChecksum ? [] : [{ entry, checksum }];
    }),
    flags: serviceFlags(desired),
    addSources: sources.filter((range) => actual?.sources.has(range) !== true),
    dropSources: [...(actual?.sources ?? [])].filter((range) => !sources.includes(range)),
  };
}

/** An agent ended after it had published the oldest owners in another block than the table's. */
export function isElsewhere(actual: ActualService | undefined): boolean {
  if (actual === undefined || actual.window.oldest.sizeClass === 0) return false;
  return actual.window.oldest.block !== actual.table.block;
}

export function isEmptyChange(change: ServiceChange): boolean {
  return (
    change.actual !== undefined &&
    !change.rebuild &&
    change.joins.length === 0 &&
    change.leaves.length === 0 &&
    change.activate.length === 0 &&
    change.drain.length === 0 &&
    change.unrouted.length === 0 &&
    change.restamp.length === 0 &&
    change.flags === change.actual.flags &&
    change.addSources.length === 0 &&
    change.dropSources.length === 0
  );
}

/** The service's members for Maglev, in the order of `wanted`. */
export function tableMembers(wanted: readonly WantedBackend[], protocol: number): TableMember[] {
  return wanted.map(({ address, port, weight }) => ({
    identity: identityOf(address, port, protocol),
    weight,
  }));
}

function checksumOfLeaving(
  { vip }: FrontendKey,
  mode: ServiceMode,
  entry: ActualBackend,
  source: number,
): number {
  if (!isTunnel(mode)) return entry.outerChecksum;
  return outerChecksum({ mode, inner: familyOf(vip), backend: entry.address, source });
}

function wantedBackends(
  { vip, protocol }: FrontendKey,
  desired: DesiredService,
  outerSource: number,
  former: ServiceMode,
): WantedBackend[] {
  const outer = { mode: desired.mode, inner: familyOf(vip), source: outerSource };
  // A tunnel's checksum does no harm in the other modes.
  const joinMode = isTunnel(desired.mode) ? desired.mode : former;
  const backends = desired.backends.map((backend) => {
    return { address: addressNumber(backend.address), port: backend.port, backend };
  });
  const isActive = backends.some(({ backend }) => backend.state === 'active');
  // Without SNAT nothing but the table says where a flow belongs: those that are there keep theirs.
  const rest = !isActive && desired.mode !== 'snat' ? 1 : 0;
  const weights = backends.map(({ address, port, backend }) => ({
    identity: identityOf(address, port, protocol),
    weight: backend.state === 'active' ? backend.weight : rest,
  }));
  const quotas = quotasOf(weights, desired.tableSize);
  return backends.map(({ address, port, backend }, index) => ({
    endpoint: endpointNumber(address, port),
    address,
    port,
    state: backend.state === 'active' ? backendState.BACKEND_ACTIVE : backendState.BACKEND_DRAINING,
    weight: weights[index]?.weight ?? 0,
    slots: quotas[index] as number,
    outerChecksum: outerChecksum({ ...outer, backend: address }),
    joinChecksum: outerChecksum({ ...outer, mode: joinMode, backend: address }),
  }));
}

/** Whether two wishes need the same maps. */
function sameService(x: DesiredService, y: DesiredService): boolean {
  if (x === y) return true;
  return (
    x.tableSize === y.tableSize &&
    x.mode === y.mode &&
    (x.affinity === undefined) === (y.affinity === undefined) &&
    x.hash3 === y.hash3 &&
    sameList(x.sourceRanges, y.sourceRanges) &&
    x.backends.length === y.backends.length &&
    x.backends.every((backend, index) => {
      const other = y.backends[index];
      return (
        other !== undefined &&
        backend.address === other.address &&
        backend.port === other.port &&
        backend.weight === other.weight &&
        backend.state === other.state
      );
    })
  );
}

function sameList(x: readonly string[] | undefined, y: readonly string[] | undefined): boolean {
  return x?.length === y?.length && (x ?? []).every((each, index) => each === y?.[index]);
}
