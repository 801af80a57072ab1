/**
 * The window of a service in the maps: the table of oldest owners, when it opened and how long it is. See
 * docs/consistency.md.
 */
import { ageOf } from '../consistency/settle-window.ts';
import { backend, backendState, service as serviceLayout } from '../layout/generated.ts';
import type { DataplaneMaps } from './maps.ts';
import type { JiffiesClock } from './next-hop-table.ts';
import type { Stores } from './stores.ts';
import {
  blockCapacity,
  linesOf,
  NO_TABLE,
  packTableWord,
  type TableWord,
  tableSlots,
  unpackTableWord,
} from './table-word.ts';

/** What the maps hold of a window; changed with each store. */
export interface ServiceWindow {
  /** The table of oldest owners; NO_TABLE: no window is open. */
  oldest: TableWord;
  /** Jiffies of the last change that tracked a slot. */
  start: number;
  /** Jiffies after which tracked slots flip, for the service's protocol. */
  length: number;
  /** Tracked slots of the live table. */
  tracked: number;
  /** By slot of the live table: jiffies of its last change. Only known to the process that made it. */
  changedAt?: Uint32Array;
  /** The record in the maps makes no sense, and has to be cleared. */
  damaged?: boolean;
}

export const noWindow = (): ServiceWindow => ({ oldest: NO_TABLE, start: 0, length: 0, tracked: 0 });

const IPPROTO_TCP = 6;
const { oldest: OLDEST, generation: GENERATION, windowTcp: LENGTHS } = serviceLayout.offsets;

export function readWindow(maps: DataplaneMaps, index: number, protocol: number): ServiceWindow {
  const { view, stride } = maps.arrays.services;
  const at = index * stride;
  const { windowStart, windowTcp, windowUdp } = serviceLayout.offsets;
  return {
    oldest: unpackTableWord(view.getBigUint64(at + OLDEST, true)),
    start: view.getUint32(at + windowStart, true),
    length: view.getUint32(at + (protocol === IPPROTO_TCP ? windowTcp : windowUdp), true),
    tracked: 0,
  };
}

/** Whether two words name one region of slots. */
export function isSameRegion(x: TableWord, y: TableWord): boolean {
  return x.sizeClass !== 0 && x.sizeClass === y.sizeClass && x.line === y.line;
}

/** The slots of a table, as they lie in memory. */
export function slotsOf(maps: DataplaneMaps, table: TableWord): Uint16Array {
  const { memory, stride } = maps.arrays.maglev_slots;
  return new Uint16Array(memory.buffer, memory.byteOffset + table.line * stride, tableSlots(table));
}

/** Names only entries of the service that are there, and lies within the slots. */
export function isSoundTable(maps: DataplaneMaps, table: TableWord, service: number): boolean {
  const { maglev_slots: lines, backends } = maps.arrays;
  const slots = tableSlots(table);
  if (slots === 0 || table.line + linesOf(slots) > lines.entries) return false;
  const named = new Uint8Array(Math.max(1, blockCapacity(table)));
  for (const word of slotsOf(maps, table)) {
    const position = word & 0x7fff;
    if (position >= named.length) return false;
    named[position] = 1;
  }
  const { state, service: owner } = backend.offsets;
  return named.every((isNamed, position) => {
    const at = (table.block + position) * backends.stride;
    if (isNamed === 0) return true;
    if (at >= backends.memory.length) return false;
    const isFree = backends.view.getUint8(at + state) === backendState.BACKEND_FREE;
    return !isFree && backends.view.getUint32(at + owner, true) === service;
  });
}

export function storeOldest(maps: DataplaneMaps, stores: Stores, index: number, table: TableWord): void {
  const { services } = maps.arrays;
  stores.word(services, index * services.stride + OLDEST, packTableWord(table));
}

/** Jiffies, all of them. The word {generation, window_start} keeps the generation. */
export function storeWindowTimes(
  maps: DataplaneMaps,
  stores: Stores,
  index: number,
  times: { readonly start: number; readonly tcp: number; readonly udp: number },
): void {
  const { services } = maps.arrays;
  const at = index * services.stride;
  const lengths = BigInt(times.tcp) | (BigInt(times.udp) << 32n);
  if (services.view.getBigUint64(at + LENGTHS, true) !== lengths) {
    stores.word(services, at + LENGTHS, lengths);
  }
  const generation = BigInt(services.view.getUint32(at + GENERATION, true));
  stores.word(services, at + GENERATION, generation | (BigInt(times.start) << 32n));
}

/**
 * Whether the programs take the window for over, or will within the next second: from then on nothing but
 * `oldest` being 0 says so for good, as a new window begins with a new start.
 */
export function isOver(window: ServiceWindow, clock: JiffiesClock): boolean {
  return window.oldest.sizeClass !== 0 && ageOf(clock.now(), window.start) + clock.hz > window.length;
}

/** Changes slots of a table that packets may be reading: by stores of four slots at a time. */
export function changeSlots(
  maps: DataplaneMaps,
  stores: Stores,
  table: TableWord,
  changes: ReadonlyMap<number, number>,
): void {
  const { maglev_slots: lines } = maps.arrays;
  const words = new Map<number, Buffer>();
  for (const [slot, value] of changes) {
    const at = table.line * lines.stride + (slot >> 2) * 8;
    let word = words.get(at);
    if (word === undefined) {
      word = Buffer.from(lines.memory.subarray(at, at + 8));
      words.set(at, word);
    }
    word.writeUInt16LE(value, (slot & 3) * 2);
  }
  for (const [at, word] of words) stores.word(lines, at, word.readBigUInt64LE(0));
}

/** What has to be changed to make a table these slots. */
export function differences(now: Uint16Array, wanted: Uint16Array): Map<number, number> {
  const changes = new Map<number, number>();
  for (let slot = 0; slot < wanted.length; slot++) {
    if (now[slot] !== wanted[slot]) changes.set(slot, wanted[slot] as number);
  }
  return changes;
}
