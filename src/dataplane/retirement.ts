/**
 * What is no longer reached, and when it may be used again. Packets that are being handled still see what
 * was there a moment ago, so: stop naming, wait, end the life, wait, reuse.
 */

import { runInSlices } from '../slices/run-in-slices.ts';
import type { ActualBackend, ActualService, ActualState } from './actual-state.ts';
import { clearServiceKey, freeBackend, storeTable } from './entry-writes.ts';
import { isVipKey } from './frontend-key.ts';
import type { DataplaneMaps } from './maps.ts';
import { foldTraffic } from './retired-traffic.ts';
import type { Room } from './room.ts';
import { isSameRegion, storeOldest } from './service-window.ts';
import type { Stores } from './stores.ts';
import { blockCapacity, linesOf, NO_TABLE, packTableWord, type TableWord, tableSlots } from './table-word.ts';

export interface RetirementContext {
  readonly maps: DataplaneMaps;
  readonly stores: Stores;
  readonly room: Room;
  readonly gracePeriod: () => Promise<void>;
  /** Milliseconds before other work gets a turn; undefined: as usual. */
  readonly slice: number | undefined;
}

export class Retirement {
  readonly #tables: TableWord[] = [];
  readonly #entries: Array<{ entry: ActualBackend; service: ActualService | undefined }> = [];
  readonly #positions: number[] = [];
  readonly #services: ActualService[] = [];
  readonly #sources: Array<{ service: ActualService; range: string }> = [];

  get isEmpty(): boolean {
    const lists = [this.#tables, this.#entries, this.#positions, this.#services, this.#sources];
    return lists.every(({ length }) => length === 0);
  }

  /** Regions that the service had before its change: those that it does not name any more. */
  tables(service: ActualService, before: readonly TableWord[]): void {
    const left = before.filter(
      (table, i) =>
        table.sizeClass !== 0 &&
        !isSameRegion(table, service.table) &&
        !isSameRegion(table, service.window.oldest) &&
        !before.slice(0, i).some((other) => isSameRegion(table, other)),
    );
    this.#tables.push(...left);
  }

  /** An entry that no live table names. */
  entry(entry: ActualBackend, service?: ActualService): void {
    this.#entries.push({ entry, service });
  }

  /** A free place in a block that was outgrown. */
  position(index: number): void {
    this.#positions.push(index);
  }

  /** A service that no frontend leads to. */
  service(service: ActualService): void {
    this.#services.push(service);
  }

  /** A CIDR of clients that the service does not speak of any more. */
  source(service: ActualService, range: string): void {
    this.#sources.push({ service, range });
  }

  /** Waits, ends the lives, waits, gives the room back. Pauses between them: nobody else may write the maps. */
  async run(context: RetirementContext): Promise<void> {
    if (this.isEmpty) return;
    const { stores, room, gracePeriod } = context;
    await gracePeriod();
    const { ended, released } = await runInSlices(this.#endAll(context), context.slice);
    if (released.length + this.#entries.length === 0 && !room.nextHops.hasUnused()) return;
    await gracePeriod();
    await runInSlices(giveBack(context, ended, released), context.slice);
    room.nextHops.sweep(stores);
  }

  /** Which entries ended, and the places that are not used any more. */
  *#endAll(context: RetirementContext): Generator<void, { ended: number[]; released: number[] }> {
    const { room } = context;
    const released = [...this.#positions];
    for (const table of this.#tables) room.slots.release(table.line, linesOf(tableSlots(table)));
    for (const { service, range } of this.#sources) endSource(context, service, range);
    for (const { entry, service } of this.#entries) {
      endEntry(context, entry);
      if (service === undefined || leave(service, entry)) released.push(entry.index);
      yield;
    }
    const ended = this.#entries.map(({ entry }) => entry.index);
    for (const service of this.#services) {
      ended.push(...entriesOf(service).map(({ index }) => index));
      released.push(...endService(context, service));
      yield;
    }
    return { ended, released };
  }
}

function* giveBack(
  context: RetirementContext,
  ended: readonly number[],
  released: readonly number[],
): Generator<void> {
  for (const index of ended) {
    foldTraffic(context, index);
    yield;
  }
  for (const index of released) context.room.blocks.release(index);
}

function entriesOf({ members, former }: ActualService): ActualBackend[] {
  return [...members.values(), ...former];
}

function endSource({ stores, room }: RetirementContext, service: ActualService, range: string): void {
  if (service.sources.delete(range)) room.sources.remove(stores, { service: service.index, range });
}

function endEntry({ maps, stores, room }: RetirementContext, entry: ActualBackend): void {
  freeBackend(maps, stores, entry);
  if (entry.nextHop !== 0) room.nextHops.release(entry.address, entry.nextHop);
}

/** Takes the entry off the service; true if its place is not the service's any more. */
function leave(service: ActualService, entry: ActualBackend): boolean {
  if (service.members.get(entry.endpoint) === entry) service.members.delete(entry.endpoint);
  else service.former = service.former.filter((other) => other !== entry);
  return !isInBlock(service.table, entry.index);
}

/** In the opposite order of making: table, backends, key, source ranges. The places that are not used any more. */
function endService(context: RetirementContext, service: ActualService): number[] {
  const { maps, stores, room } = context;
  const { table, window } = service;
  const { oldest } = window;
  if (oldest.sizeClass !== 0) storeOldest(maps, stores, service.index, NO_TABLE);
  if (packTableWord(table) !== 0n || service.damaged) storeTable(maps, stores, service.index, NO_TABLE);
  for (const entry of entriesOf(service)) endEntry(context, entry);
  clearServiceKey(maps, stores, service.index);
  for (const range of [...service.sources]) endSource(context, service, range);
  if (table.sizeClass !== 0) room.slots.release(table.line, linesOf(tableSlots(table)));
  if (oldest.sizeClass !== 0 && !isSameRegion(oldest, table)) {
    room.slots.release(oldest.line, linesOf(tableSlots(oldest)));
  }
  (isVipKey(service.key) ? room.vips : room.services).release(service.index);
  return [
    ...Array.from({ length: blockCapacity(table) }, (_, i) => table.block + i),
    ...service.former.filter((entry) => !isInBlock(table, entry.index)).map(({ index }) => index),
  ];
}

export function isInBlock(table: TableWord, index: number): boolean {
  return index >= table.block && index < table.block + blockCapacity(table);
}

/** What a killed agent left half done: everything that nothing leads to. */
export function retireLeftovers(actual: ActualState): Retirement {
  const retirement = new Retirement();
  for (const service of actual.unreferenced) retirement.service(service);
  for (const entry of actual.ownerless) retirement.entry(entry);
  return retirement;
}
