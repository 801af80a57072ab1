/**
 * The part of a change that concerns flows under way, of a service in a DSR mode: which slots of its new
 * table are tracked, and the table of oldest owners. Written before the switch, published before it.
 */
import { NOBODY, OWNER, planWindow, type WindowPlan } from '../consistency/plan-window.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { backendState } from '../layout/generated.ts';
import { buildTable } from '../maglev/build-table.ts';
import type { ActualBackend, ActualService, EndpointNumber } from './actual-state.ts';
import { writeSlots } from './entry-writes.ts';
import type { DataplaneMaps } from './maps.ts';
import type { JiffiesClock } from './next-hop-table.ts';
import { type ServiceChange, tableMembers } from './plan.ts';
import type { Room } from './room.ts';
import { isDsr } from './service-flags.ts';
import {
  changeSlots,
  differences,
  isOver,
  isSameRegion,
  slotsOf,
  storeOldest,
  storeWindowTimes,
} from './service-window.ts';
import type { Stores } from './stores.ts';
import { blockCapacity, linesOf, NO_TABLE, sizeClassOf, type TableWord, tableSlots } from './table-word.ts';

export interface TrackContext {
  readonly maps: DataplaneMaps;
  readonly stores: Stores;
  readonly room: Room;
  readonly clock: JiffiesClock;
  readonly buildMaglevTable: Kernel['buildMaglevTable'];
}

/** The block that the new table speaks of, and lines for a table of oldest owners if one may be needed. */
export interface TrackPlaces {
  readonly block: number;
  readonly order: number;
  readonly oldestLine?: number;
}

/** A change of the window that is ready to be published. */
export interface TrackedChange {
  readonly plan: WindowPlan;
  /** Where the oldest owners are to be found from here on. */
  readonly oldest: TableWord;
  /** Slots of `oldest` to change before the switch, and after it. */
  readonly before: ReadonlyMap<number, number>;
  readonly after: ReadonlyMap<number, number>;
}

type Members = ReadonlyMap<EndpointNumber, ActualBackend>;

/**
 * How many slots at most the table of oldest owners needs lines for; 0: none, because the one that is there goes on
 * in its place, or the table that is in force becomes it.
 */
export function oldestToMake(change: ServiceChange, block: number): number {
  const { actual, desired } = change;
  if (!isDsr(change.flags) || change.sizeClass === 0) return 0;
  if (actual === undefined || actual.table.sizeClass === 0) {
    return formerMembers(change) === undefined ? 0 : desired.tableSize;
  }
  const { oldest } = actual.window;
  const live = actual.table.block === block ? 0 : tableSlots(actual.table);
  // A window may end by the clock until the table is written, and then it is the live one's: room for both.
  return oldest.sizeClass !== 0 && oldest.block !== block ? Math.max(live, tableSlots(oldest)) : live;
}

/** owners: by slot of the new table, positions in the new block. Writes where no packet reads. */
export function prepareTracking(
  context: TrackContext,
  service: ActualService,
  change: ServiceChange,
  places: TrackPlaces,
  members: Members,
  owners: Uint16Array,
): TrackedChange | undefined {
  if (!isDsr(change.flags)) return undefined;
  const { maps, stores, room, clock } = context;
  const { window } = service;
  const known = window.oldest.sizeClass === 0 || isOver(window, clock) ? NO_TABLE : window.oldest;
  const rename = renamer(maps, service, change, places.block, members);
  const live = rename(service.table);
  const plan = planWindow({
    live: live ?? inferFormer(context, change, places.block, members),
    oldest: rename(known),
    next: owners,
  });
  const none = new Map<number, number>();
  const unused = (): void => {
    const slots = oldestToMake(change, places.block);
    if (places.oldestLine !== undefined) room.slots.release(places.oldestLine, linesOf(slots));
  };
  if (plan.oldest === undefined) {
    unused();
    return { plan, oldest: NO_TABLE, before: none, after: none };
  }
  if (known.sizeClass !== 0 && known.block === places.block) {
    unused();
    return { plan, oldest: known, before: differences(ownersOf(maps, known), plan.oldest), after: none };
  }
  if (live !== undefined && service.table.block === places.block) {
    unused();
    // Until the switch it is the table in force, so who is gone is replaced after it.
    const { table } = service;
    return { plan, oldest: table, before: none, after: differences(ownersOf(maps, table), plan.oldest) };
  }
  if (places.oldestLine === undefined) return { plan, oldest: NO_TABLE, before: none, after: none };
  const { block, order, oldestLine: line } = places;
  const lines = linesOf(plan.oldest.length);
  const spare = linesOf(oldestToMake(change, block)) - lines;
  if (spare < 0) throw new Error(`${lines} lines of oldest owners do not fit where ${lines + spare} are`);
  if (spare > 0) room.slots.release(line + lines, spare);
  writeSlots(maps, stores, line, plan.oldest);
  const sizeClass = sizeClassOf(plan.oldest.length);
  return { plan, oldest: { line, sizeClass, order, block, generation: 0 }, before: none, after: none };
}

/** To be called right before the switch. */
export function publishTracking(
  { maps, stores, clock }: TrackContext,
  service: ActualService,
  change: ServiceChange,
  { plan, oldest, before }: TrackedChange,
): void {
  const { window } = service;
  const now = clock.now();
  changeSlots(maps, stores, oldest, before);
  if (window.oldest.sizeClass !== 0 && isOver(window, clock)) endWindow({ maps, stores }, service);
  if (plan.isOpened) {
    const lengths = windowLengths(change, clock.hz);
    storeWindowTimes(maps, stores, service.index, { start: now, ...lengths });
    noteChanges(service, plan, now);
    window.start = now;
    window.length = change.key.protocol === 6 ? lengths.tcp : lengths.udp;
  }
  if (!isSameRegion(oldest, window.oldest) && (oldest.sizeClass !== 0 || window.oldest.sizeClass !== 0)) {
    storeOldest(maps, stores, service.index, oldest);
    window.oldest = oldest;
  }
}

/** To be called right after the switch. */
export function finishTracking(
  { maps, stores }: TrackContext,
  service: ActualService,
  change: TrackedChange,
): void {
  changeSlots(maps, stores, change.oldest, change.after);
  service.window.tracked = change.plan.tracked;
}

/** For a change that leaves the table as it is: oldest owners that are gone are replaced. */
export function replaceGone(
  { maps, stores }: TrackContext,
  service: ActualService,
  change: ServiceChange,
): void {
  const { window, table } = service;
  if (window.oldest.sizeClass === 0 || window.oldest.block !== table.block || change.leaves.length === 0)
    return;
  const rename = renamer(maps, service, change, table.block, service.members);
  const live = rename(table);
  if (live === undefined) return;
  const plan = planWindow({ live, oldest: rename(window.oldest), next: live.map((slot) => slot & OWNER) });
  if (plan.oldest === undefined) return;
  changeSlots(maps, stores, window.oldest, differences(ownersOf(maps, window.oldest), plan.oldest));
}

/** From here on packets know no oldest owners: what is not remembered goes to the live one. */
export function endWindow(
  { maps, stores }: Pick<TrackContext, 'maps' | 'stores'>,
  service: ActualService,
): void {
  storeOldest(maps, stores, service.index, NO_TABLE);
  service.window.oldest = NO_TABLE;
}

function ownersOf(maps: DataplaneMaps, table: TableWord): Uint16Array {
  return slotsOf(maps, table).map((slot) => slot & OWNER);
}

/** Tables as the maps have them -> with positions in the new block, and NOBODY for who is not wanted. */
function renamer(
  maps: DataplaneMaps,
  service: ActualService,
  change: ServiceChange,
  block: number,
  members: Members,
): (table: TableWord) => Uint16Array | undefined {
  const wanted = new Set(change.wanted.map(({ endpoint }) => endpoint));
  const entries = [...service.members.values(), ...service.former];
  return (table) => {
    if (table.sizeClass === 0) return undefined;
    const names = new Uint16Array(Math.max(1, blockCapacity(table))).fill(NOBODY);
    for (const { index, endpoint } of entries) {
      const position = index - table.block;
      const member = members.get(endpoint);
      if (position < 0 || position >= names.length || member === undefined || !wanted.has(endpoint)) continue;
      names[position] = member.index - block;
    }
    return slotsOf(maps, table).map((slot) => (slot & ~OWNER) | (names[slot & OWNER] ?? NOBODY));
  };
}

/** Endpoints that terminate had their share until a moment ago; a node without a table cannot know more. */
function formerMembers({ desired, wanted }: ServiceChange): ReturnType<typeof tableMembers> | undefined {
  const isLeaving = (index: number): boolean => desired.backends[index]?.reason === 'terminating';
  const weights = new Set(
    wanted.filter(({ state }) => state === backendState.BACKEND_ACTIVE).map(({ weight }) => weight),
  );
  if (!wanted.some((_, index) => isLeaving(index))) return undefined;
  const [weight = 1] = weights.size === 1 ? weights : [1];
  return tableMembers(
    wanted.map((one, index) => (isLeaving(index) ? { ...one, weight } : one)),
    0,
  );
}

function inferFormer(
  { buildMaglevTable }: TrackContext,
  change: ServiceChange,
  block: number,
  members: Members,
): Uint16Array | undefined {
  const former = formerMembers(change);
  if (former === undefined) return undefined;
  const { protocol } = change.key;
  const named = former.map(({ identity, weight }) => ({ identity: { ...identity, protocol }, weight }));
  const table = buildTable(buildMaglevTable, named, change.desired.tableSize);
  return table?.owners.map((member) => {
    const endpoint = change.wanted[member]?.endpoint as EndpointNumber;
    return (members.get(endpoint) as ActualBackend).index - block;
  });
}

const DEFAULT_WINDOW = { tcp: 15 * 60_000, udp: 30_000 };

/** A client's connections keep together for as long as the service asks for. */
function windowLengths({ desired }: ServiceChange, hz: number): { tcp: number; udp: number } {
  const { tcp, udp } = desired.window ?? DEFAULT_WINDOW;
  const least = desired.affinity?.timeout ?? 0;
  const jiffies = (ms: number): number => Math.min(0x3fffffff, Math.ceil((Math.max(ms, least) * hz) / 1000));
  return { tcp: jiffies(tcp), udp: jiffies(udp) };
}

function noteChanges(service: ActualService, { moved }: WindowPlan, now: number): void {
  const { window } = service;
  // What a former process knew is lost: then all slots changed when the last one did.
  const isKnown = window.changedAt?.length === moved.length;
  const times = isKnown
    ? (window.changedAt as Uint32Array)
    : new Uint32Array(moved.length).fill(window.start);
  const isResized = window.oldest.sizeClass !== 0 && !isKnown;
  for (let slot = 0; slot < moved.length; slot++) if (moved[slot] === 1 || isResized) times[slot] = now;
  window.changedAt = times;
}
