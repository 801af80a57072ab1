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
  SLOT_TRACKED,
  service as serviceLayout,
} from '../layout/generated.ts';
import { type IpAddress, readAddress } from '../net/address.ts';
import type { DesiredService } from '../services/desired-state.ts';
import { runAtOnce } from '../slices/run-in-slices.ts';
import { type FrontendReference, readReferences } from './frontend-index.ts';
import { type FrontendKey, keyNumber } from './frontend-key.ts';
import type { DataplaneMaps } from './maps.ts';
import { isDsr } from './service-flags.ts';
import { isSoundTable, readWindow, type ServiceWindow } from './service-window.ts';
import { readSourceRanges, type SourceRange } from './source-ranges.ts';
import {
  blockCapacity,
  linesOf,
  NO_TABLE,
  packTableWord,
  type TableWord,
  tableSlots,
  unpackTableWord,
} from './table-word.ts';

/** An address and port as one value, see {@link endpointNumber}. */
export type EndpointNumber = number | bigint;

/** One entry of `backends` that is not free. */
export interface ActualBackend {
  readonly index: number;
  /** Number of the address and port, see {@link endpointNumber}. */
  readonly endpoint: EndpointNumber;
  readonly address: IpAddress;
  readonly port: number;
  readonly generation: number;
  state: number;
  nextHop: number;
  /** See {@link outerChecksum}. */
  outerChecksum: number;
  /** Slots of the live table that name it. */
  slots: number;
}

export interface ActualService {
  readonly index: number;
  readonly key: FrontendKey;
  /** enum service_flag */
  flags: number;
  /** CIDRs in source_ranges. */
  readonly sources: Set<string>;
  table: TableWord;
  /** What flows under way need during changes; of services in a DSR mode. */
  readonly window: ServiceWindow;
  /** By endpoint: the entries of the service's block. */
  readonly members: Map<EndpointNumber, ActualBackend>;
  /** Entries outside of the block: of one that was outgrown, or that never went live. */
  former: ActualBackend[];
  /** The table names an entry that is not there; it is built anew whatever is desired. */
  damaged: boolean;
  /** What was applied last, when all of it could be: equal wishes need no second look. */
  settled?: DesiredService;
}

export interface ActualState {
  /** By {@link keyNumber}. */
  readonly services: Map<number | bigint, ActualService>;
  /** Service entries that no frontend leads to: half made or half removed. */
  readonly unreferenced: ActualService[];
  /** References to service entries that are not there or have another key. */
  readonly dangling: FrontendReference[];
  readonly references: readonly FrontendReference[];
  /** Entries of `backends` whose service is not there. */
  readonly ownerless: ActualBackend[];
  /** Of all services, also of those that are not there. */
  readonly sourceRanges: readonly SourceRange[];
  /** Of them those whose service is not there. */
  readonly strayRanges: readonly SourceRange[];
}

/** Entries of an array that are looked at in one go: a fraction of a millisecond. */
const AT_A_TIME = 1024;

/** Of IPv4 48 bits, exact in a double; of IPv6 a bigint. The protocol is the service's. */
export function endpointNumber(address: IpAddress, port: number): EndpointNumber {
  return typeof address === 'number' ? address * 0x10000 + port : (address << 16n) | BigInt(port);
}

/** May pause: whoever else may write the maps must not do so before it has ended. */
export function* readActualState(
  maps: DataplaneMaps,
  kernel: Pick<Kernel, 'entries'>,
): Generator<void, ActualState> {
  const references = yield* readReferences(maps, kernel);
  const byIndex = yield* readServices(maps);
  const services = new Map<number | bigint, ActualService>();
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
  const ownerless = yield* readBackends(maps, byIndex);
  const unreferenced: ActualService[] = [];
  for (const found of byIndex) {
    if (found === undefined) continue;
    countSlots(maps, found);
    checkWindow(maps, found);
    yield;
    if (!referenced.has(found.index)) unreferenced.push(found);
  }
  const sourceRanges = readSourceRanges(maps.others.source_ranges, kernel);
  const strayRanges = sourceRanges.filter(({ service }) => byIndex[service] === undefined);
  for (const { service, range } of sourceRanges) byIndex[service]?.sources.add(range);
  return { services, unreferenced, dangling, references, ownerless, sourceRanges, strayRanges };
}

/** How many services frontends lead to, without the entries for VIPs. */
export function countServices(maps: DataplaneMaps, kernel: Pick<Kernel, 'entries'>): number {
  const { view, stride, entries } = maps.arrays.services;
  const { key } = serviceLayout.offsets;
  const found = new Set<number>();
  for (const { service } of runAtOnce(readReferences(maps, kernel))) {
    if (service >= entries) continue;
    const at = service * stride + key;
    const isVip = view.getUint16(at + 16) === 0 && view.getUint8(at + 18) === 0;
    if (!isVip && view.getUint8(at + 19) !== addressFamily.FAMILY_NONE) found.add(service);
  }
  return found.size;
}

function* readServices(maps: DataplaneMaps): Generator<void, Array<ActualService | undefined>> {
  const { view, stride, entries } = maps.arrays.services;
  const { key, table, flags } = serviceLayout.offsets;
  const found: Array<ActualService | undefined> = new Array(entries);
  for (let index = 1; index < entries; index++) {
    if (index % AT_A_TIME === 0) yield;
    const at = index * stride;
    const family = view.getUint8(at + key + 19);
    if (family === addressFamily.FAMILY_NONE) continue;
    found[index] = {
      index,
      key: {
        vip: readAddress(view, at + key, family),
        port: view.getUint16(at + key + 16, false),
        protocol: view.getUint8(at + key + 18),
      },
      flags: view.getUint32(at + flags, true),
      sources: new Set(),
      table: unpackTableWord(view.getBigUint64(at + table, true)),
      window: readWindow(maps, index, view.getUint8(at + key + 18)),
      members: new Map(),
      former: [],
      damaged: false,
    };
  }
  return found;
}

/** Gives each entry to its service; what is left over has none. */
function* readBackends(
  maps: DataplaneMaps,
  services: ReadonlyArray<ActualService | undefined>,
): Generator<void, ActualBackend[]> {
  const { view, memory, stride, entries } = maps.arrays.backends;
  const { state, service } = backendLayout.offsets;
  const ownerless: ActualBackend[] = [];
  for (let index = 0; index < entries; index++) {
    if (index % AT_A_TIME === 0) yield;
    const at = index * stride;
    if (memory[at + state] === backendState.BACKEND_FREE) continue;
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
  const { addr, port, generation, state, family, nextHop, outerChecksum } = backendLayout.offsets;
  const address = readAddress(view, at + addr, view.getUint8(at + family));
  const portNumber = view.getUint16(at + port, false);
  return {
    index,
    endpoint: endpointNumber(address, portNumber),
    address,
    port: portNumber,
    generation: view.getUint16(at + generation, true),
    state: view.getUint8(at + state),
    nextHop: view.getUint32(at + nextHop, true),
    outerChecksum: view.getUint16(at + outerChecksum, true),
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
  const { window } = service;
  const counts = new Uint32Array(blockCapacity(service.table));
  for (let slot = 0; slot < slots; slot++) {
    const position = (table[slot] as number) & SLOT_BACKEND;
    if (((table[slot] as number) & SLOT_TRACKED) !== 0) window.tracked += 1;
    if (position < counts.length) counts[position] = (counts[position] as number) + 1;
  }
  let counted = 0;
  for (const member of service.members.values()) {
    member.slots = counts[member.index - service.table.block] ?? 0;
    counted += member.slots;
    // In DSR the table names draining backends when there are no others.
    const isRight = member.state === backendState.BACKEND_ACTIVE || isDsr(service.flags);
    if (member.slots > 0 && !isRight) service.damaged = true;
  }
  if (counted !== slots) service.damaged = true;
}

/** A record that makes no sense is treated as none. */
function checkWindow(maps: DataplaneMaps, { window, index }: ActualService): void {
  if (packTableWord(window.oldest) === 0n || isSoundTable(maps, window.oldest, index)) return;
  window.oldest = NO_TABLE;
  window.damaged = true;
}
