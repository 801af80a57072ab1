/**
 * Which addresses the Services get. Pure: the answer depends on what is given only, not on its order,
 * and what it says, once written to the Services, is what it says again.
 *
 * The record is status.loadBalancer of the Services: what is there stays, while it can be a frontend and
 * is nobody else's. docs/decisions/addresses-from-pools.md says what follows from that.
 */
import type { AddressPool } from '../config/config.ts';
import {
  compareAddresses,
  type Family,
  familyOf,
  formatAddress,
  type IpAddress,
  parseAddress,
} from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import { compareAge } from '../services/claim-frontends.ts';
import { runAtOnce } from '../slices/run-in-slices.ts';
import type { Service } from '../sources/kube-objects.ts';
import { AddressPools, type PoolUse } from './address-pools.ts';
import { Holders } from './holders.ts';
import { isOurs, isRecorded, keyOf, portsOf, sharingKeyOf, type Wish, wishOf } from './wishes.ts';

export interface AllocationInput {
  readonly services: readonly Service[];
  readonly pools: readonly AddressPool[];
  /** Of the VIPs. */
  readonly ranges: readonly Prefix[];
  readonly withoutClass: boolean;
}

export type AllocationReason =
  | 'Allocated'
  | 'OutsidePools'
  | 'SingleFamily'
  | 'InvalidRequest'
  | 'UnsupportedProtocol'
  | 'UnknownPool'
  | 'RequestedAddressOutsidePools'
  | 'RequestedAddressInUse'
  | 'NoPoolOfFamily'
  | 'PoolExhausted';

export interface Assignment {
  readonly service: Service;
  /** In the order of the Service's families. */
  readonly addresses: readonly IpAddress[];
  /** It has what it asks for. */
  readonly satisfied: boolean;
  readonly reason: AllocationReason;
  readonly message: string;
}

export interface Allocation {
  /** By namespace/name. */
  readonly assignments: readonly Assignment[];
  /** Services that are not ours any more, and have our record. */
  readonly releases: readonly Service[];
  readonly use: readonly PoolUse[];
}

interface Lack {
  readonly reason: AllocationReason;
  readonly message: string;
}

/** A wish on its way to its answer. */
interface Case {
  readonly wish: Wish;
  readonly given: Map<Family, IpAddress>;
  readonly lacks: Lack[];
  readonly hadAny: boolean;
}

interface Table {
  readonly pools: AddressPools;
  /** What Services have by our word. */
  readonly allocated: Holders;
  /** What Services have by somebody else's: it moves nobody, but is not given either. */
  readonly claimed: Holders;
}

export function allocate(input: AllocationInput): Allocation {
  return runAtOnce(allocateInPieces(input));
}

/** The same, with places where it may pause: ten thousand Services take a while. */
export function* allocateInPieces(input: AllocationInput): Generator<void, Allocation> {
  const { services, pools, ranges, withoutClass } = input;
  const table: Table = {
    pools: new AddressPools(pools, ranges),
    allocated: new Holders(),
    claimed: new Holders(),
  };
  const isVip = (address: IpAddress): boolean => table.pools.isVip(address);
  const releases: Service[] = [];
  const asking: Service[] = [];
  for (const service of [...services].sort(compareAge)) {
    yield;
    const isAsking = service.deleting === undefined && isOurs(service, withoutClass, isVip);
    noteClaims(service, isAsking, table.claimed);
    if (isAsking) asking.push(service);
    else if (isRecorded(service) && service.deleting === undefined) releases.push(service);
  }
  const cases: Case[] = [];
  const { families } = table.pools;
  for (const service of asking) {
    yield;
    cases.push(keep(wishOf(service, families), table));
  }
  for (const each of cases) {
    yield;
    grantRequests(each, table);
  }
  const assignments: Assignment[] = [];
  for (const each of cases) {
    yield;
    grantAny(each, table);
  }
  for (const each of [...cases].sort((a, b) => (a.wish.key < b.wish.key ? -1 : 1))) {
    yield;
    assignments.push(answer(each, table));
  }
  const held = [...new Set([...table.allocated.addresses, ...table.claimed.addresses])];
  return { assignments, releases, use: table.pools.use(held) };
}

function noteClaims(service: Service, isOurs: boolean, claimed: Holders): void {
  const sharingKey = sharingKeyOf(service);
  const holder = { key: keyOf(service), ports: portsOf(service) };
  const add = (text: string | undefined, how: object): void => {
    const address = text === undefined ? undefined : parseAddress(text);
    if (address !== undefined) claimed.add(address, { ...holder, ...how });
  };
  for (const text of service.externalIPs) add(text, {});
  if (isOurs) return;
  // One that is being deleted still has its address, and may share it.
  for (const { ip } of service.ingress) add(ip, sharingKey === undefined ? {} : { sharingKey });
}

/** What is recorded stays: in the order of age, so that of two with one address the older keeps it. */
function keep(wish: Wish, { pools, allocated, claimed }: Table): Case {
  const given = new Map<Family, IpAddress>();
  const recorded = wish.service.ingress.flatMap(({ ip }) =>
    ip === undefined ? [] : (parseAddress(ip) ?? []),
  );
  const isRequested = (address: IpAddress): boolean => wish.requested.get(familyOf(address)) === address;
  // Of two of a family, which only others can have written, the one that is asked for.
  recorded.sort((a, b) => Number(isRequested(b)) - Number(isRequested(a)));
  for (const address of recorded.filter((each) => pools.isVip(each))) {
    const family = familyOf(address);
    if (!wish.families.includes(family) || given.has(family)) {
      // It is free when that is written.
      claimed.add(address, wish);
      continue;
    }
    if (allocated.obstacle(address, wish) !== undefined) continue;
    given.set(family, address);
    allocated.add(address, wish);
  }
  return { wish, given, lacks: [], hadAny: given.size > 0 };
}

function grantRequests({ wish, given, lacks }: Case, table: Table): void {
  if (wish.complaint !== undefined) {
    lacks.push({ reason: 'InvalidRequest', message: wish.complaint });
    return;
  }
  for (const [family, address] of wish.requested) {
    const before = given.get(family);
    if (before === address) continue;
    const lack = lackOfRequested(address, wish, table);
    if (lack === undefined) {
      given.set(family, address);
      table.allocated.add(address, wish);
    } else {
      const rest = before === undefined ? '' : `; ${formatAddress(before)} is kept until then`;
      lacks.push({ ...lack, message: `${lack.message}${rest}` });
    }
  }
}

function lackOfRequested(
  address: IpAddress,
  wish: Wish,
  { pools, allocated, claimed }: Table,
): Lack | undefined {
  const text = formatAddress(address);
  const pool = pools.poolOf(address);
  if (pool === undefined || !pools.isVip(address)) {
    const message = `${text} is asked for, but no pool has it; ask for an address of a pool`;
    return { reason: 'RequestedAddressOutsidePools', message };
  }
  if (wish.pool !== undefined && wish.pool !== pool) {
    const message = `${text} is asked for, but is of pool ${pool} and not of ${wish.pool}; leave out l4lb.io/pool, or ask for another address`;
    return { reason: 'RequestedAddressOutsidePools', message };
  }
  const obstacle = allocated.obstacle(address, wish) ?? claimed.obstacle(address, wish);
  if (obstacle === undefined) return undefined;
  const { key, port } = obstacle;
  const message =
    port === undefined
      ? `${text} is asked for, but Service ${key} has it; ask for another, or give both the same l4lb.io/allow-shared-ip`
      : `${text} is asked for, but Service ${key}, which shares it, has port ${port} too; take another port or address`;
  return { reason: 'RequestedAddressInUse', message };
}

/** An address of each family that is still without one, for which nothing else was asked. */
function grantAny(each: Case, table: Table): void {
  const { wish, given, lacks, hadAny } = each;
  const found = new Map<Family, IpAddress>();
  if (wish.ports.size === 0) {
    const message = 'none of its ports can be served: TCP and UDP are';
    lacks.push({ reason: 'UnsupportedProtocol', message });
  } else if (wish.complaint === undefined) {
    for (const family of wish.families) {
      if (given.has(family) || wish.requested.has(family)) continue;
      const address = choose(family, wish, table);
      if (typeof address === 'object') lacks.push(address);
      else found.set(family, address);
    }
  }
  const lacking = wish.families.length - given.size - found.size;
  if (wish.strict && lacking > 0 && !hadAny) {
    given.clear();
    return;
  }
  for (const [family, address] of found) {
    given.set(family, address);
    table.allocated.add(address, wish);
  }
}

function choose(family: Family, wish: Wish, { pools, allocated, claimed }: Table): IpAddress | Lack {
  const { pool, sharingKey } = wish;
  if (pool !== undefined && !pools.has(pool)) {
    const message = `l4lb.io/pool names "${pool}", which is no pool; name one that the configuration has`;
    return { reason: 'UnknownPool', message };
  }
  const where = pool === undefined ? 'no automatic pool' : `pool ${pool} has no address that`;
  if (!pools.hasFamily(family, pool)) {
    const message = pool === undefined ? `${where} has IPv${family} addresses` : `${where} is IPv${family}`;
    return { reason: 'NoPoolOfFamily', message: `${message}; add some to controller.pools` };
  }
  if (sharingKey !== undefined) {
    const shared = pools.inOrder(allocated.sharedBy(sharingKey), family, pool);
    const fit = shared.find(
      (address) =>
        allocated.obstacle(address, wish) === undefined && claimed.obstacle(address, wish) === undefined,
    );
    if (fit !== undefined) return fit;
  }
  const isHeld = (address: IpAddress): boolean => allocated.isHeld(address) || claimed.isHeld(address);
  const free = pools.firstFree(family, pool, isHeld);
  if (free !== undefined) return free;
  const message = `${where} has a free IPv${family} address; add addresses to controller.pools, or delete Services`;
  const named = `${where} is free and IPv${family}; add addresses to it, or delete Services`;
  return { reason: 'PoolExhausted', message: pool === undefined ? message : named };
}

/** PreferDualStack is content with one family. */
const EXTRA: ReadonlySet<AllocationReason> = new Set(['UnknownPool', 'NoPoolOfFamily', 'PoolExhausted']);

function answer({ wish, given, lacks }: Case, { pools }: Table): Assignment {
  const addresses = wish.families.flatMap((family) => given.get(family) ?? []);
  const { service } = wish;
  const text = addresses.map(formatAddress).join(', ');
  const [lack] = lacks;
  if (lack !== undefined) {
    const message = lacks.map((each) => each.message).join('; ');
    const isExtra = lacks.every(({ reason }) => EXTRA.has(reason));
    if (isExtra && !wish.strict && addresses.length > 0) {
      return { service, addresses, satisfied: true, reason: 'SingleFamily', message: `${text}; ${message}` };
    }
    return { service, addresses, satisfied: false, reason: lack.reason, message };
  }
  const stray = [...addresses]
    .sort(compareAddresses)
    .filter((address) => pools.poolOf(address) === undefined);
  if (stray.length === 0) return { service, addresses, satisfied: true, reason: 'Allocated', message: text };
  const message = `${stray.map(formatAddress).join(', ')} is kept, though no pool has it any more; ask for another by l4lb.io/addresses to move the Service`;
  return { service, addresses, satisfied: true, reason: 'OutsidePools', message };
}
