/**
 * Makes or changes one service: backends first, then the slots, then the switch, then what leads there.
 * Whatever is written before the switch is in places that nothing names.
 */
import type { Kernel } from '../kernel/kernel.ts';
import { backendState, DROPS_PER_SERVICE } from '../layout/generated.ts';
import { buildTable } from '../maglev/build-table.ts';
import type { ActualBackend, ActualService, EndpointNumber } from './actual-state.ts';
import { MOST_BACKENDS, orderOf, roomyOrder } from './backend-blocks.ts';
import { addSources, finishMode, prepareMode } from './change-mode.ts';
import {
  serviceGeneration,
  storeBackendState,
  storeNextHop,
  storeTable,
  writeBackend,
  writeServiceKey,
  writeSlots,
} from './entry-writes.ts';
import type { FrontendIndex } from './frontend-index.ts';
import { type FrontendKey, keyNumber } from './frontend-key.ts';
import type { DataplaneMaps } from './maps.ts';
import type { JiffiesClock } from './next-hop-table.ts';
import { type ServiceChange, tableMembers, type WantedBackend } from './plan.ts';
import type { Retirement } from './retirement.ts';
import type { Room } from './room.ts';
import { isDsr } from './service-flags.ts';
import { noWindow } from './service-window.ts';
import type { Stores } from './stores.ts';
import { blockCapacity, linesOf, NO_TABLE, type TableWord } from './table-word.ts';
import {
  endWindow,
  finishTracking,
  oldestToMake,
  prepareTracking,
  publishTracking,
  replaceGone,
  type TrackedChange,
} from './track-change.ts';

export interface UpsertContext {
  readonly maps: DataplaneMaps;
  readonly stores: Stores;
  readonly room: Room;
  readonly index: FrontendIndex;
  readonly services: Map<number | bigint, ActualService>;
  readonly retirement: Retirement;
  readonly buildMaglevTable: Kernel['buildMaglevTable'];
  readonly clock: JiffiesClock;
}

/** Which pool had no room. The service is as it was. */
export type Lack = 'services' | 'vips' | 'backends' | 'block' | 'slots' | 'frontends' | 'sources';

/** Places for what is to be written. */
interface Places {
  /** The block after the change, and its order. */
  readonly block: number;
  readonly order: number;
  readonly moves: boolean;
  /** Undefined: the table stays. */
  readonly line?: number;
  /** Lines for a table of oldest owners, where one may be needed. */
  readonly oldestLine?: number;
  /** Free entries of the block for the joining ones. */
  readonly free: readonly number[];
}

export function upsertService(context: UpsertContext, change: ServiceChange): Lack | undefined {
  const { stores, room, services, retirement } = context;
  const places = findPlaces(room, change);
  if (typeof places === 'string') return places;
  const service = change.actual ?? makeService(context, change);
  if (service === undefined) {
    returnPlaces(room, change, places);
    return 'services';
  }
  prepareMode(context, service, change);
  const old = service.table;
  const oldest = service.window.oldest;
  const replaced = places.moves ? [...service.members.values()] : [];
  const members = places.moves ? new Map<EndpointNumber, ActualBackend>() : service.members;
  writeJoining(context, service, change, places, members);
  for (const entry of change.activate) setState(context, entry, backendState.BACKEND_ACTIVE);
  const isTracking = isDsr(change.flags) && change.sizeClass !== 0;
  const tracked =
    places.line === undefined ? undefined : fillTable(context, service, change, places, members);
  if (tracked !== undefined) publishTracking(context, service, change, tracked);
  else if (isTracking) replaceGone(context, service, change);
  switchTable(context, service, change, places, members);
  if (tracked !== undefined) finishTracking(context, service, tracked);
  if (places.moves) {
    const stay = new Set([...replaced, ...service.former].map((entry) => entry.index));
    for (let i = 0; i < blockCapacity(old); i++) {
      if (!stay.has(old.block + i)) retirement.position(old.block + i);
    }
    for (const entry of replaced) {
      entry.slots = 0;
      service.former.push(entry);
      service.members.delete(entry.endpoint);
    }
    for (const [endpoint, entry] of members) service.members.set(endpoint, entry);
  }
  if (!isTracking && service.window.oldest.sizeClass !== 0) endWindow(context, service);
  retirement.tables(service, [old, oldest]);
  finishMode(context, service, change);
  for (const entry of change.drain) setState(context, entry, backendState.BACKEND_DRAINING);
  for (const entry of change.leaves) {
    entry.slots = 0;
    retirement.entry(entry, service);
  }
  for (const entry of change.unrouted) route(context, entry);
  if (change.actual === undefined && !context.index.publish(stores, change.key, service.index)) {
    retirement.service(service);
    return 'frontends';
  }
  services.set(keyNumber(change.key), service);
  // A backend without a next hop gets another chance with every apply.
  if ([...service.members.values()].every((entry) => entry.nextHop !== 0)) service.settled = change.desired;
  else delete service.settled;
  return undefined;
}

/** Publishes that a VIP is in use, by a service entry of its own without a table. */
export function addVip(context: UpsertContext, key: FrontendKey): Lack | undefined {
  const index = context.room.vips.take();
  if (index === undefined) return 'vips';
  writeServiceKey(context.maps, context.stores, index, key, 0);
  const service: ActualService = {
    index,
    key,
    flags: 0,
    sources: new Set(),
    table: NO_TABLE,
    window: noWindow(),
    members: new Map(),
    former: [],
    damaged: false,
  };
  if (!context.index.publish(context.stores, key, index)) {
    context.retirement.service(service);
    return 'frontends';
  }
  context.services.set(keyNumber(key), service);
  return undefined;
}

function findPlaces(room: Room, change: ServiceChange): Places | Lack {
  const { actual, wanted, joins } = change;
  const table = actual?.table ?? NO_TABLE;
  if (wanted.length > MOST_BACKENDS) return 'block';
  if (room.sources.used + change.addSources.length > room.sources.capacity) return 'sources';
  const free = actual === undefined ? [] : freePlaces(actual, joins.length);
  // A block that got much too large is left when the table is built anew anyway.
  const shrinks = change.rebuild && roomyOrder(wanted.length) + 2 < table.order;
  const moves = joins.length > free.length || shrinks;
  const block = moves ? allocateBlock(room, wanted.length) : table;
  if (block === undefined) return 'backends';
  const places = { block: block.block, order: block.order, moves, free };
  if (change.sizeClass === 0 || !(change.rebuild || moves)) return places;
  const line = room.slots.allocate(linesOf(change.desired.tableSize));
  const slots = oldestToMake(change, places.block);
  const oldestLine = line === undefined || slots === 0 ? undefined : room.slots.allocate(linesOf(slots));
  // What is inferred for a service that is new here is worth no wait.
  const isEnough = slots === 0 || oldestLine !== undefined || actual === undefined;
  if (line !== undefined && isEnough) {
    return { ...places, line, ...(oldestLine === undefined ? {} : { oldestLine }) };
  }
  if (line !== undefined) room.slots.release(line, linesOf(change.desired.tableSize));
  if (moves) releaseBlock(room, places.block, places.order);
  return 'slots';
}

/** With room for more to come if there is any. */
function allocateBlock(room: Room, backends: number): { block: number; order: number } | undefined {
  if (backends === 0) return { block: 0, order: 0 };
  for (const order of [roomyOrder(backends), orderOf(backends)]) {
    const block = room.blocks.allocate(order);
    if (block !== undefined) return { block, order };
  }
  return undefined;
}

function returnPlaces(room: Room, change: ServiceChange, places: Places): void {
  if (places.moves) releaseBlock(room, places.block, places.order);
  if (places.line !== undefined) room.slots.release(places.line, linesOf(change.desired.tableSize));
  if (places.oldestLine === undefined) return;
  room.slots.release(places.oldestLine, linesOf(oldestToMake(change, places.block)));
}

function releaseBlock(room: Room, block: number, order: number): void {
  if (order === 0) return;
  for (let i = 0; i < 2 ** order; i++) room.blocks.release(block + i);
}

/** Up to `count` entries of the block that hold no backend. */
function freePlaces(service: ActualService, count: number): number[] {
  const taken = new Set([...service.members.values(), ...service.former].map(({ index }) => index));
  const free: number[] = [];
  for (let i = 0; i < blockCapacity(service.table) && free.length < count; i++) {
    if (!taken.has(service.table.block + i)) free.push(service.table.block + i);
  }
  return free;
}

/** Its source ranges come first: what restricts it is there before it is. */
function makeService(context: UpsertContext, change: ServiceChange): ActualService | undefined {
  const { maps, stores, room } = context;
  const { key, flags } = change;
  const index = room.services.take();
  if (index === undefined) return undefined;
  if (serviceGeneration(maps, index) > 0) {
    const counted = maps.arrays.service_counters;
    stores.bytes(counted, index * counted.stride, new Uint8Array(counted.stride));
    stores.clearCounters(maps.others.service_drops, index * DROPS_PER_SERVICE, DROPS_PER_SERVICE);
  }
  const service: ActualService = {
    index,
    key,
    flags,
    sources: new Set(),
    table: NO_TABLE,
    window: noWindow(),
    members: new Map(),
    former: [],
    damaged: false,
  };
  addSources(context, service, change.addSources);
  writeServiceKey(maps, stores, index, key, flags);
  return service;
}

/** Writes the entries that the block lacks: the joining ones, or in a new block all. */
function writeJoining(
  { maps, stores, room }: UpsertContext,
  service: ActualService,
  change: ServiceChange,
  places: Places,
  members: Map<EndpointNumber, ActualBackend>,
): void {
  const list: readonly WantedBackend[] = places.moves ? change.wanted : change.joins;
  list.forEach(({ endpoint, address, port, state, joinChecksum: outerChecksum }, i) => {
    const index = places.moves ? places.block + i : (places.free[i] as number);
    const nextHop = room.nextHops.acquire(stores, address);
    const entry = { address, port, state, nextHop, outerChecksum, service: service.index };
    const generation = writeBackend(maps, stores, index, entry);
    members.set(endpoint, { ...entry, index, endpoint, generation, slots: 0 });
  });
}

function fillTable(
  context: UpsertContext,
  service: ActualService,
  change: ServiceChange,
  places: Places,
  members: ReadonlyMap<EndpointNumber, ActualBackend>,
): TrackedChange | undefined {
  const { maps, stores, buildMaglevTable } = context;
  const table = buildTable(
    buildMaglevTable,
    tableMembers(change.wanted, change.key.protocol),
    change.desired.tableSize,
  );
  if (table === undefined || places.line === undefined) return undefined;
  const positions = change.wanted.map(
    ({ endpoint }) => (members.get(endpoint) as ActualBackend).index - places.block,
  );
  const { owners } = table;
  for (let slot = 0; slot < owners.length; slot++) owners[slot] = positions[owners[slot] as number] as number;
  const tracked = prepareTracking(context, service, change, places, members, owners);
  writeSlots(maps, stores, places.line, tracked?.plan.slots ?? owners);
  return tracked;
}

function switchTable(
  { maps, stores }: UpsertContext,
  service: ActualService,
  change: ServiceChange,
  places: Places,
  members: ReadonlyMap<EndpointNumber, ActualBackend>,
): void {
  const old = service.table;
  const keeps =
    places.line === undefined && change.sizeClass === old.sizeClass && !places.moves && !service.damaged;
  const slotsOf = new Map(change.wanted.map(({ endpoint, slots }) => [endpoint, slots]));
  if (!keeps) {
    const table: TableWord = {
      line: places.line ?? (change.sizeClass === 0 ? 0 : old.line),
      sizeClass: change.sizeClass,
      order: places.order,
      block: places.block,
      generation: (old.generation + 1) & 0xff,
    };
    storeTable(maps, stores, service.index, table);
    service.table = table;
    service.damaged = false;
  }
  for (const [endpoint, entry] of members) entry.slots = slotsOf.get(endpoint) ?? 0;
}

function setState({ maps, stores }: UpsertContext, entry: ActualBackend, state: number): void {
  storeBackendState(maps, stores, entry.index, state);
  entry.state = state;
}

function route({ maps, stores, room }: UpsertContext, entry: ActualBackend): void {
  const nextHop = room.nextHops.acquire(stores, entry.address);
  if (nextHop === 0) return;
  storeNextHop(maps, stores, entry.index, nextHop);
  entry.nextHop = nextHop;
}
