/**
 * What is free in the maps: service indexes, lines of slots, blocks of backends, next hops. Rebuilt from
 * what the maps hold, so that nothing leaks over a crash.
 */
import type { ActualBackend, ActualService, ActualState } from './actual-state.ts';
import { BackendBlocks } from './backend-blocks.ts';
import type { DataplaneMaps } from './maps.ts';
import { type JiffiesClock, NextHopTable } from './next-hop-table.ts';
import { isSameRegion } from './service-window.ts';
import { SlotPool } from './slot-pool.ts';
import { SourceRangeTable } from './source-ranges.ts';
import { blockCapacity, linesOf, NO_TABLE, tableSlots } from './table-word.ts';

export interface RoomLimits {
  /** Entries of next_hops that are the agent's, entry 0 included. */
  readonly agentNextHops: number;
}

export class Room {
  readonly slots: SlotPool;
  readonly blocks: BackendBlocks;
  readonly nextHops: NextHopTable;
  readonly sources: SourceRangeTable;
  /** Indexes with counters, for services; those behind them are for VIPs themselves. */
  readonly services: IndexPool;
  readonly vips: IndexPool;

  /** Everything but {@link reserve}. */
  constructor(maps: DataplaneMaps, actual: ActualState, limits: RoomLimits, clock: JiffiesClock) {
    this.slots = new SlotPool(maps.arrays.maglev_slots.entries);
    this.blocks = new BackendBlocks(maps.arrays.backends.entries);
    this.nextHops = new NextHopTable(maps.arrays.next_hops, limits.agentNextHops, clock);
    this.sources = new SourceRangeTable(maps.others.source_ranges, actual.sourceRanges.length);
    const used = new Set([...actual.services.values(), ...actual.unreferenced].map(({ index }) => index));
    const counted = maps.others.service_counters.maxEntries;
    this.services = new IndexPool(1, counted, used);
    this.vips = new IndexPool(counted, maps.arrays.services.entries, used);
  }

  /** Takes what is used already; to be run to its end before anything is allocated. */
  *reserve(actual: ActualState): Generator<void> {
    for (const service of [...actual.services.values(), ...actual.unreferenced]) {
      this.#reserve(service);
      yield;
    }
    for (const entry of actual.ownerless) {
      this.blocks.reserve(entry.index);
      this.#adopt(entry);
    }
  }

  #reserve(service: ActualService): void {
    const slots = tableSlots(service.table);
    if (slots > 0 && !this.slots.reserve(service.table.line, linesOf(slots))) {
      // Two tables in one place: whoever comes second gets a new one.
      service.table = { ...service.table, sizeClass: 0 };
      service.damaged = true;
    }
    this.#reserveOldest(service);
    for (let i = 0; i < blockCapacity(service.table); i++) this.blocks.reserve(service.table.block + i);
    for (const entry of service.former) this.blocks.reserve(entry.index);
    for (const entry of [...service.members.values(), ...service.former]) this.#adopt(entry);
  }

  /** It may be the table in force itself, when an agent ended between two stores. */
  #reserveOldest({ window, table }: ActualService): void {
    const slots = tableSlots(window.oldest);
    if (slots === 0 || isSameRegion(window.oldest, table)) return;
    if (this.slots.reserve(window.oldest.line, linesOf(slots))) return;
    window.oldest = NO_TABLE;
    window.damaged = true;
  }

  #adopt(entry: ActualBackend): void {
    if (entry.nextHop !== 0 && !this.nextHops.adopt(entry.address, entry.nextHop)) entry.nextHop = 0;
    if (entry.nextHop === 0) this.nextHops.noteLack();
  }
}

/** Lowest index first, so that the maps stay dense. */
export class IndexPool {
  readonly #end: number;
  #next: number;
  readonly #used: Set<number>;
  readonly #freed: number[] = [];

  constructor(first: number, end: number, used: ReadonlySet<number>) {
    this.#next = first;
    this.#end = end;
    this.#used = new Set([...used].filter((index) => index >= first && index < end));
  }

  get used(): number {
    return this.#used.size;
  }

  take(): number | undefined {
    const freed = this.#freed.pop();
    if (freed !== undefined) {
      this.#used.add(freed);
      return freed;
    }
    while (this.#next < this.#end && this.#used.has(this.#next)) this.#next += 1;
    if (this.#next >= this.#end) return undefined;
    this.#used.add(this.#next);
    return this.#next++;
  }

  release(index: number): void {
    if (!this.#used.delete(index)) return;
    // Behind the mark it will be met again anyway.
    if (index < this.#next) this.#freed.push(index);
  }
}

/** How many entries of next_hops are the agent's: three quarters; the rest is for clients. */
export function agentNextHops(entries: number): number {
  return entries - entries / 4;
}
