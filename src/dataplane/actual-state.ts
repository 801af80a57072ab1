/**
 * What the maps hold, read back: the record of what was done. An agent that starts on pinned maps
 * believes them, so a restart changes nothing for packets.
 */
import type { Kernel } from '../kernel/kernel.ts';
import {
  addressFamily,
  backend as backendLayout,
  backendState,
  SLOT_BACKEND,
  service as serviceLayout,
} from '../layout/generated.ts';
import type { DesiredService } from '../services/desired-state.ts';
import { type FrontendReference, readReferences } from './frontend-index.ts';
import { type FrontendKey4, keyNumber } from './frontend-key.ts';
import type { DataplaneMaps } from './maps.ts';
import { blockCapacity, linesOf, type TableWord, tableSlots, unpackTableWord } from './table-word.ts';

/** One entry of `backends` that is not free. */
export interface ActualBackend {
  readonly index: number;
  /** Number of the address and port, see {@link endpointNumber}. */
  readonly endpoint: number;
  readonly address: number;
  readonly port: number;
  readonly generation: number;
  state: number;
  nextHop: number;
  /** Slots of the live table that name it. */
  slots: number;
}

export interface ActualService {
  readonly index: number;
  readonly key: FrontendKey4;
  table: TableWord;
  /** By endpoint: the entries of the service's block. */
  readonly members: Map<number, ActualBackend>;
  /** Entries outside of the block: of one that was outgrown, or that never went live. */
  former: ActualBackend[];
  /** The table names an entry that is not there; it is built anew whatever is desired. */
  damaged: boolean;
  /** What was applied last, when all of it could be: equal wishes need no second look. */
  settled?: DesiredService;
}

export interface ActualState {
  /** By {@link keyNumber}. */
  readonly services: Map<number, ActualService>;
  /** Service entries that no frontend leads to: half made or half removed. */
  readonly unreferenced: ActualService[];
  /** References to service entries that are not there or have another key. */
  readonly dangling: FrontendReference[];
  readonly references: readonly FrontendReference[];
  /** Entries of `backends` whose service is not there. */
  readonly ownerless: ActualBackend[];
}

/** 48 bits, exact in a double. The protocol is the service's. */
export function endpointNumber(address: number, port: number): number {
  return address * 0x10000 + port;
}

export function readActualState(maps: DataplaneMaps, kernel: Pick<Kernel, 'entries'>): ActualState {
  const references = readReferences(maps, kernel);
  const byIndex = readServices(maps);
  const services = new Map<number, ActualService>();
  const dangling: FrontendReference[] = [];
  const referenced = new Set<number>();
  for (const reference of references) {
    const found = byIndex[reference.service];
    const known = found !== undefined && services.has(keyNumber(found.key));
    const wrongKey =
      found !== undefined && reference.key !== undefined && keyNumber(found.key) !== keyNumber(reference.key);
    if (found === undefined || known || wrongKey) {
      dangling.push(reference);
      continue;
    }
    services.set(keyNumber(found.key), found);
    referenced.add(found.index);
  }
  const ownerless = readBackends(maps, byIndex);
  const unreferenced: ActualService[] = [];
  for (const found of byIndex) {
    if (found === undefined) continue;
    countSlots(maps, found);
    if (!referenced.has(found.index)) unreferenced.push(found);
  }
  return { services, unreferenced, dangling, references, ownerless };
}

function readServices(maps: DataplaneMaps): Array<ActualService | undefined> {
  const { view, stride, entries } = maps.arrays.services;
  const { key, table } = serviceLayout.offsets;
  const found: Array<ActualService | undefined> = new Array(entries);
  for (let index = 1; index < entries; index++) {
    const at = index * stride;
    if (view.getUint8(at + key + 19) === addressFamily.FAMILY_NONE) continue;
    found[index] = {
      index,
      key: {
        vip: view.getUint32(at + key, false),
        port: view.getUint16(at + key + 16, false),
        protocol: view.getUint8(at + key + 18),
      },
      table: unpackTableWord(view.getBigUint64(at + table, true)),
      members: new Map(),
      former: [],
      damaged: false,
    };
  }
  return found;
}

/** Gives each entry to its service; what is left over has none. */
function readBackends(
  maps: DataplaneMaps,
  services: ReadonlyArray<ActualService | undefined>,
): ActualBackend[] {
  const { view, stride, entries } = maps.arrays.backends;
  const { state, service } = backendLayout.offsets;
  const ownerless: ActualBackend[] = [];
  for (let index = 0; index < entries; index++) {
    const at = index * stride;
    if (view.getUint8(at + state) === backendState.BACKEND_FREE) continue;
    const entry = readBackend(view, at, index);
    const owner = services[view.getUint32(at + service, true)];
    if (owner === undefined) {
      ownerless.push(entry);
      continue;
    }
    const position = index - owner.table.block;
    const inBlock = position >= 0 && position < blockCapacity(owner.table);
    if (inBlock && !owner.members.has(entry.endpoint)) owner.members.set(entry.endpoint, entry);
    else owner.former.push(entry);
  }
  return ownerless;
}

function readBackend(view: DataView, at: number, index: number): ActualBackend {
  const { addr, port, generation, state, nextHop } = backendLayout.offsets;
  const address = view.getUint32(at + addr, false);
  const portNumber = view.getUint16(at + port, false);
  return {
    index,
    endpoint: endpointNumber(address, portNumber),
    address,
    port: portNumber,
    generation: view.getUint16(at + generation, true),
    state: view.getUint8(at + state),
    nextHop: view.getUint32(at + nextHop, true),
    slots: 0,
  };
}

function countSlots(maps: DataplaneMaps, service: ActualService): void {
  const slots = tableSlots(service.table);
  if (slots === 0) return;
  const { memory, stride, entries } = maps.arrays.maglev_slots;
  if (service.table.line + linesOf(slots) > entries) {
    service.damaged = true;
    return;
  }
  const table = new Uint16Array(memory.buffer, memory.byteOffset + service.table.line * stride, slots);
  // What is behind the block falls out of the array, and is missed below.
  const counts = new Uint32Array(blockCapacity(service.table));
  for (let slot = 0; slot < slots; slot++) {
    const position = (table[slot] as number) & SLOT_BACKEND;
    if (position < counts.length) counts[position] = (counts[position] as number) + 1;
  }
  let counted = 0;
  for (const member of service.members.values()) {
    member.slots = counts[member.index - service.table.block] ?? 0;
    counted += member.slots;
    if (member.slots > 0 && member.state !== backendState.BACKEND_ACTIVE) service.damaged = true;
  }
  if (counted !== slots) service.damaged = true;
}
