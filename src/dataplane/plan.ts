/** What has to change: desired state against what the maps hold. Pure; the order of stores is apply's. */

import { backendState } from '../layout/generated.ts';
import { identityOfIpv4 } from '../maglev/backend-identity.ts';
import { quotasOf, type TableMember } from '../maglev/build-table.ts';
import type { DesiredService } from '../services/desired-state.ts';
import { type ActualBackend, type ActualService, endpointNumber } from './actual-state.ts';
import { addressNumber } from './address-number.ts';
import { type FrontendKey4, isVipKey, keyNumber, keyOfService, keyOfVip } from './frontend-key.ts';
import { sizeClassOf } from './table-word.ts';

/** A backend as it shall be in the maps. */
export interface WantedBackend {
  readonly endpoint: number;
  readonly address: number;
  readonly port: number;
  /** BACKEND_ACTIVE or BACKEND_DRAINING. */
  readonly state: number;
  readonly weight: number;
  /** Slots in the table. */
  readonly slots: number;
}

/** What has to change on one service. */
export interface ServiceChange {
  readonly key: FrontendKey4;
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
}

export interface Plan {
  readonly newVips: readonly FrontendKey4[];
  readonly changes: readonly ServiceChange[];
  readonly removed: readonly ActualService[];
  /** Services that are as they shall be, and the wish they fulfil. */
  readonly settled: ReadonlyArray<{ readonly actual: ActualService; readonly desired: DesiredService }>;
}

/**
 * ownAddresses: addresses that are answered like a VIP in use, though no service has them: those of the
 * VIP device.
 */
export function planChanges(
  desired: readonly DesiredService[],
  ownAddresses: readonly number[],
  actual: ReadonlyMap<number, ActualService>,
): Plan {
  const keep = new Set<number>();
  const vips = new Set<number>(ownAddresses);
  const changes: ServiceChange[] = [];
  const settled: Array<{ actual: ActualService; desired: DesiredService }> = [];
  for (const service of desired) {
    const key = keyOfService(service);
    keep.add(keyNumber(key));
    vips.add(key.vip);
    const found = actual.get(keyNumber(key));
    if (found?.settled !== undefined && sameService(found.settled, service)) {
      settled.push({ actual: found, desired: service });
      continue;
    }
    const change = planService(key, service, found);
    if (found !== undefined && isEmptyChange(change)) settled.push({ actual: found, desired: service });
    else changes.push(change);
  }
  const vipKeys = [...vips].map(keyOfVip);
  for (const key of vipKeys) keep.add(keyNumber(key));
  return {
    newVips: vipKeys.filter((key) => !actual.has(keyNumber(key))),
    changes,
    removed: [...actual.values()]
      .filter(({ key }) => !keep.has(keyNumber(key)))
      .sort((x, y) => Number(isVipKey(x.key)) - Number(isVipKey(y.key))),
    settled,
  };
}

export function planService(
  key: FrontendKey4,
  desired: DesiredService,
  actual: ActualService | undefined,
): ServiceChange {
  const wanted = wantedBackends(desired, key.protocol);
  const byEndpoint = new Map(wanted.map((backend) => [backend.endpoint, backend]));
  const members = actual?.members ?? new Map<number, ActualBackend>();
  const entries = [...members.values(), ...(actual?.former ?? [])];
  const staying = entries.filter(({ endpoint }) => byEndpoint.has(endpoint));
  const changed = (state: number) =>
    staying.filter((entry) => entry.state !== state && byEndpoint.get(entry.endpoint)?.state === state);
  const sizeClass = wanted.some(({ slots }) => slots > 0) ? sizeClassOf(desired.tableSize) : 0;
  return {
    key,
    desired,
    actual,
    wanted,
    sizeClass,
    rebuild:
      actual?.damaged === true ||
      sizeClass !== (actual?.table.sizeClass ?? 0) ||
      wanted.some(({ endpoint, slots }) => slots !== (members.get(endpoint)?.slots ?? 0)) ||
      [...members.values()].some(({ endpoint, slots }) => slots > 0 && !byEndpoint.has(endpoint)),
    joins: wanted.filter(({ endpoint }) => !members.has(endpoint)),
    leaves: entries.filter(({ endpoint }) => !byEndpoint.has(endpoint)),
    activate: changed(backendState.BACKEND_ACTIVE),
    drain: changed(backendState.BACKEND_DRAINING),
    unrouted: [...members.values()].filter((entry) => entry.nextHop === 0 && byEndpoint.has(entry.endpoint)),
  };
}

export function isEmptyChange(change: ServiceChange): boolean {
  return (
    change.actual !== undefined &&
    !change.rebuild &&
    change.joins.length === 0 &&
    change.leaves.length === 0 &&
    change.activate.length === 0 &&
    change.drain.length === 0 &&
    change.unrouted.length === 0
  );
}

/** The service's members for Maglev, in the order of `wanted`. */
export function tableMembers(wanted: readonly WantedBackend[], protocol: number): TableMember[] {
  return wanted.map(({ address, port, weight }) => ({
    identity: identityOfIpv4(address, port, protocol),
    weight,
  }));
}

function wantedBackends(desired: DesiredService, protocol: number): WantedBackend[] {
  const backends = desired.backends.map((backend) => {
    return { address: addressNumber(backend.address), port: backend.port, backend };
  });
  const weights = backends.map(({ address, port, backend }) => ({
    identity: identityOfIpv4(address, port, protocol),
    weight: backend.state === 'active' ? backend.weight : 0,
  }));
  const quotas = quotasOf(weights, desired.tableSize);
  return backends.map(({ address, port, backend }, index) => ({
    endpoint: endpointNumber(address, port),
    address,
    port,
    state: backend.state === 'active' ? backendState.BACKEND_ACTIVE : backendState.BACKEND_DRAINING,
    weight: weights[index]?.weight ?? 0,
    slots: quotas[index] as number,
  }));
}

/** Whether two wishes need the same maps. */
function sameService(x: DesiredService, y: DesiredService): boolean {
  if (x === y) return true;
  return (
    x.tableSize === y.tableSize &&
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
