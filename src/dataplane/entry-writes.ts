/** How service entries, backend entries and tables are written: what last, and by one store. */
import {
  backend as backendLayout,
  backendState,
  SLOTS_PER_LINE,
  service as serviceLayout,
} from '../layout/generated.ts';
import { familyOf, type IpAddress, wordsOf } from '../net/address.ts';
import type { ActualBackend } from './actual-state.ts';
import { encodeKey, type FrontendKey } from './frontend-key.ts';
import type { DataplaneMaps } from './maps.ts';
import type { Stores } from './stores.ts';
import { packTableWord, type TableWord } from './table-word.ts';

/** The word {port, protocol, family, flags} of the key: an entry without a family is free. */
const KEY_END = serviceLayout.offsets.key + 16;
const FLAGS_IN_WORD = serviceLayout.offsets.flags - KEY_END;
/** The word {generation, state, family, service}, published last. */
const LAST_WORD = backendLayout.offsets.generation;
/** The word {next_hop, outer_checksum, port}. */
const MIDDLE_WORD = backendLayout.offsets.nextHop;

/** Makes a free service entry one of this key, without a table. */
export function writeServiceKey(
  maps: DataplaneMaps,
  stores: Stores,
  index: number,
  key: FrontendKey,
  flags: number,
): void {
  const { services } = maps.arrays;
  const at = index * services.stride;
  const bytes = Buffer.from(encodeKey(key));
  stores.bytes(services, at + serviceLayout.offsets.key, bytes.subarray(0, 16));
  const last = Buffer.alloc(8);
  bytes.copy(last, 0, 16);
  last.writeUInt32LE(flags, FLAGS_IN_WORD);
  stores.word(services, at + KEY_END, last.readBigUInt64LE(0));
}

/** From here on packets of the service are handled as these flags say. */
export function storeFlags(maps: DataplaneMaps, stores: Stores, index: number, flags: number): void {
  const { services } = maps.arrays;
  const at = index * services.stride + KEY_END;
  const word = Buffer.from(services.memory.subarray(at, at + 8));
  word.writeUInt32LE(flags, FLAGS_IN_WORD);
  stores.word(services, at, word.readBigUInt64LE(0));
}

/** Makes a service entry free. Nothing may lead to it, and nothing may belong to it. */
export function clearServiceKey(maps: DataplaneMaps, stores: Stores, index: number): void {
  const { services } = maps.arrays;
  const at = index * services.stride;
  const generation = new Uint8Array(4);
  const next = services.view.getUint32(at + serviceLayout.offsets.generation, true) + 1;
  new DataView(generation.buffer).setUint32(0, next, true);
  stores.bytes(services, at + serviceLayout.offsets.generation, generation);
  stores.word(services, at + KEY_END, 0n);
}

/** How many services this index had before. */
export function serviceGeneration(maps: DataplaneMaps, index: number): number {
  const { view, stride } = maps.arrays.services;
  return view.getUint32(index * stride + serviceLayout.offsets.generation, true);
}

/** The switch: from here on new flows see this table and this block. */
export function storeTable(maps: DataplaneMaps, stores: Stores, service: number, table: TableWord): void {
  const { services } = maps.arrays;
  stores.word(services, service * services.stride + serviceLayout.offsets.table, packTableWord(table));
}

export interface NewBackend {
  readonly address: IpAddress;
  readonly port: number;
  readonly state: number;
  readonly nextHop: number;
  readonly outerChecksum: number;
  readonly service: number;
}

/** Fills a free entry; its generation is the one that was set when it became free. */
export function writeBackend(maps: DataplaneMaps, stores: Stores, index: number, entry: NewBackend): number {
  const { backends } = maps.arrays;
  const at = index * backends.stride;
  const generation = backendGeneration(maps, index);
  const bytes = Buffer.from(
    backendLayout.encode({
      addr: [...wordsOf(entry.address)],
      nextHop: entry.nextHop,
      outerChecksum: entry.outerChecksum,
      port: entry.port,
      generation,
      state: entry.state,
      family: familyOf(entry.address),
      service: entry.service,
    }),
  );
  stores.bytes(backends, at, bytes.subarray(0, LAST_WORD));
  stores.word(backends, at + LAST_WORD, bytes.readBigUInt64LE(LAST_WORD));
  return generation;
}

export function backendGeneration(maps: DataplaneMaps, index: number): number {
  const { view, stride } = maps.arrays.backends;
  return view.getUint16(index * stride + backendLayout.offsets.generation, true);
}

/** Active to draining or back; the rest of the last word stays. */
export function storeBackendState(maps: DataplaneMaps, stores: Stores, index: number, state: number): void {
  const { backends } = maps.arrays;
  const last = lastWordOf(maps, index);
  last.writeUInt8(state, backendLayout.offsets.state - LAST_WORD);
  stores.word(backends, index * backends.stride + LAST_WORD, last.readBigUInt64LE(0));
}

/** Ends the entry's life: flows that name it are lost from here on. What it counted is still its service's. */
export function freeBackend(maps: DataplaneMaps, stores: Stores, entry: ActualBackend): void {
  const { backends } = maps.arrays;
  const last = lastWordOf(maps, entry.index);
  last.writeUInt16LE((entry.generation + 1) & 0xffff, 0);
  last.writeUInt8(backendState.BACKEND_FREE, backendLayout.offsets.state - LAST_WORD);
  stores.word(backends, entry.index * backends.stride + LAST_WORD, last.readBigUInt64LE(0));
}

/** One store, since packets read the entry meanwhile. */
export function storeNextHop(maps: DataplaneMaps, stores: Stores, index: number, nextHop: number): void {
  changeMiddleWord(maps, stores, index, (word) => word.writeUInt32LE(nextHop, 0));
}

/** One store, since packets read the entry meanwhile. */
export function storeOuterChecksum(
  maps: DataplaneMaps,
  stores: Stores,
  index: number,
  checksum: number,
): void {
  const at = backendLayout.offsets.outerChecksum - MIDDLE_WORD;
  changeMiddleWord(maps, stores, index, (word) => word.writeUInt16LE(checksum, at));
}

function changeMiddleWord(
  maps: DataplaneMaps,
  stores: Stores,
  index: number,
  change: (word: Buffer) => void,
): void {
  const { backends } = maps.arrays;
  const at = index * backends.stride + MIDDLE_WORD;
  const word = Buffer.from(backends.memory.subarray(at, at + 8));
  change(word);
  stores.word(backends, at, word.readBigUInt64LE(0));
}

/** Fills a free region. positions: by slot, the backend's place in the service's block. */
export function writeSlots(maps: DataplaneMaps, stores: Stores, line: number, positions: Uint16Array): void {
  const slots = maps.arrays.maglev_slots;
  // The last line's rest is written too, so that nothing of a former table stays behind.
  const lines = Math.ceil(positions.length / SLOTS_PER_LINE);
  const region = new Uint16Array(lines * SLOTS_PER_LINE);
  region.set(positions);
  stores.bytes(slots, line * slots.stride, new Uint8Array(region.buffer));
}

function lastWordOf(maps: DataplaneMaps, index: number): Buffer {
  const { memory, stride } = maps.arrays.backends;
  const at = index * stride + LAST_WORD;
  return Buffer.from(memory.subarray(at, at + 8));
}
