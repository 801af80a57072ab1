/**
 * What holds in the maps between any two stores. Written against the bytes and docs/packet-path.md, with
 * nothing of the agent's own bookkeeping, so that a mistake there is not repeated here.
 */
import type { DataplaneMaps, MappedArray } from '../../src/dataplane/maps.ts';
import type { BpfMap } from '../../src/kernel/kernel.ts';
import {
  type Backend,
  backend,
  backendState,
  FRONTENDS_PER_BUCKET,
  frontendKey,
  nextHop,
  type Service,
  SLOT_BACKEND,
  service,
} from '../../src/layout/generated.ts';
import { checkStamp, nameOfKey, placeOf, sourcesOf } from './family-invariants.ts';

const SIZES = [0, 251, 1021, 4099, 16381, 65537, 131071];

/** What a packet can get to from here on. */
export interface Reachable {
  readonly services: Set<number>;
  readonly lines: Set<number>;
  readonly backends: Set<number>;
  readonly nextHops: Set<number>;
}

export interface LiveService {
  readonly index: number;
  readonly value: Service;
  readonly line: number;
  readonly slots: number;
  readonly block: number;
}

interface Entries {
  entries(map: BpfMap): Array<{ key: Buffer; value: Buffer }>;
}

function unpackWord(word: bigint): { line: number; slots: number; block: number } {
  const low = Number(word & 0xffffffffn);
  return {
    line: low & 0xffffff,
    slots: SIZES[(low >>> 24) & 0xf] ?? -1,
    block: Number((word >> 32n) & 0xffffffn),
  };
}

/** Services as packets find them, by frontend; throws when a reference leads nowhere. */
export function liveServices(maps: DataplaneMaps, kernel: Entries): Map<string, LiveService> {
  const { frontends, services } = maps.arrays;
  const live = new Map<string, LiveService>();
  const visit = (index: number, where: string): Service => {
    if (index === 0 || index >= services.entries) throw new Error(`${where} names service ${index}`);
    const value = service.read(services.view, index * services.stride);
    if (value.key.family === 0) throw new Error(`${where} names service ${index}, which is free`);
    const name = nameOfKey(value.key);
    if (live.has(name)) throw new Error(`${name} is published twice`);
    live.set(name, { index, value, ...unpackWord(value.table) });
    return value;
  };
  for (let at = 0; at < frontends.memory.length; at += 8) {
    const index = frontends.view.getUint32(at, true);
    const inBucket = at % frontends.stride;
    if (index === 0 || inBucket >= FRONTENDS_PER_BUCKET * 8) continue;
    const bucket = Math.floor(at / frontends.stride);
    const { key } = visit(index, `bucket ${bucket}`);
    const { bucket: home, tag } = placeOf(key, frontends.entries);
    if (home !== bucket || tag !== BigInt(frontends.view.getUint32(at + 4, true))) {
      throw new Error(`a key in bucket ${bucket} belongs to ${home}`);
    }
  }
  for (const { key, value } of kernel.entries(maps.others.frontend_overflow)) {
    const found = visit(value.readUInt32LE(0), 'overflow');
    if (Buffer.compare(Buffer.from(frontendKey.encode(found.key)), key) !== 0) {
      throw new Error('an overflowed key leads to a service of another key');
    }
  }
  return live;
}

/** Throws on the first thing that is not as it must be. outerSource: the network part, a natural number. */
export function checkInvariants(maps: DataplaneMaps, kernel: Entries, outerSource = 0): Reachable {
  const { services, maglev_slots: slotArray, backends, next_hops: nextHops } = maps.arrays;
  const reachable: Reachable = {
    services: new Set(),
    lines: new Set(),
    backends: new Set(),
    nextHops: new Set(),
  };
  for (const [name, live] of liveServices(maps, kernel)) {
    reachable.services.add(live.index);
    if (live.slots < 0) throw new Error(`${name} has a size class that is none`);
    for (let line = live.line; line < live.line + Math.ceil(live.slots / 32); line++) {
      if (line >= slotArray.entries) throw new Error(`${name} has a table behind the end of the slots`);
      if (reachable.lines.has(line)) throw new Error(`${name} shares line ${line} with another table`);
      reachable.lines.add(line);
    }
    const table = slotsOf(slotArray, live);
    for (const position of distinct(table)) {
      const index = live.block + (position & SLOT_BACKEND);
      if (index >= backends.entries) throw new Error(`${name} names backend ${index}`);
      const entry = backend.read(backends.view, index * backends.stride);
      // Without SNAT a table names draining backends when there are no others.
      const mayDrain = (live.value.flags & 3) !== 0 && entry.state === backendState.BACKEND_DRAINING;
      const isRight = entry.state === backendState.BACKEND_ACTIVE || mayDrain;
      if (!isRight || entry.service !== live.index) {
        throw new Error(`${name} names backend ${index}: state ${entry.state}, service ${entry.service}`);
      }
      checkStamp(index, entry, live.value, outerSource);
      reachable.backends.add(index);
    }
    checkOldest(name, live);
  }
  for (let index = 0; index < backends.entries; index++) {
    const at = index * backends.stride;
    if (backends.memory[at + backend.offsets.state] === backendState.BACKEND_FREE) continue;
    const entry = backend.read(backends.view, at);
    reachable.backends.add(index);
    checkEntry(index, entry);
    if (entry.nextHop !== 0) reachable.nextHops.add(entry.nextHop);
  }
  return reachable;

  /** The table of oldest owners: a region of its own, or that of the table, and only backends that are there. */
  function checkOldest(name: string, live: LiveService): void {
    if (live.value.oldest === 0n) return;
    const { line, slots, block } = unpackWord(live.value.oldest);
    if (slots <= 0) throw new Error(`${name} has a window with a size class that is none`);
    const isTheTable = line === live.line && slots === live.slots;
    for (let at = line; at < line + Math.ceil(slots / 32); at++) {
      if (at >= slotArray.entries) throw new Error(`${name} has oldest owners behind the end of the slots`);
      if (reachable.lines.has(at) && !isTheTable)
        throw new Error(`${name} shares line ${at} of its oldest owners`);
      reachable.lines.add(at);
    }
    for (const position of distinct(slotsOf(slotArray, { line, slots }))) {
      const index = block + (position & SLOT_BACKEND);
      const entry = backend.read(backends.view, index * backends.stride);
      if (entry.state === backendState.BACKEND_FREE || entry.service !== live.index) {
        throw new Error(`${name} has backend ${index} among its oldest owners, which is not there`);
      }
    }
  }

  function checkEntry(index: number, entry: Backend): void {
    const owner = service.read(services.view, entry.service * services.stride);
    if (owner.key.family === 0)
      throw new Error(`backend ${index} belongs to the free service ${entry.service}`);
    if (entry.nextHop === 0) return;
    const hop = nextHop.read(nextHops.view, entry.nextHop * nextHops.stride);
    if (hop.family !== entry.family || hop.addr.join() !== entry.addr.join()) {
      throw new Error(`backend ${index} names next hop ${entry.nextHop}, which is not its own`);
    }
  }
}

/** The table as it lies in memory: 32 slots a line, lines in a row. */
function slotsOf(array: MappedArray, table: { readonly line: number; readonly slots: number }): Uint16Array {
  const { memory, stride } = array;
  return new Uint16Array(memory.buffer, memory.byteOffset + table.line * stride, table.slots);
}

/** A Set of all would cost more than all other checks together. */
function distinct(table: Uint16Array): number[] {
  const seen = new Uint8Array(0x10000);
  const positions: number[] = [];
  for (const position of table) {
    if (seen[position] === 0) positions.push(position);
    seen[position] = 1;
  }
  return positions;
}

/** What the maps say, without indexes: two sets of maps that balance alike give the same text. */
export function describeMaps(maps: DataplaneMaps, kernel: Entries): string {
  const { maglev_slots: slotArray, backends, next_hops: nextHops } = maps.arrays;
  const sources = sourcesOf(maps, kernel);
  const services = [...liveServices(maps, kernel)]
    .sort(([x], [y]) => (x < y ? -1 : 1))
    .map(([name, { index, value, line, slots, block }]) => {
      const owners = Array.from(slotsOf(slotArray, { line, slots }), (slot) =>
        endpoint(block + (slot & SLOT_BACKEND)),
      );
      const entries = Array.from({ length: backends.entries }, (_, i) => i)
        .filter((i) => {
          const entry = backend.read(backends.view, i * backends.stride);
          return entry.state !== backendState.BACKEND_FREE && entry.service === index;
        })
        .map((i) => {
          const { state, outerChecksum } = backend.read(backends.view, i * backends.stride);
          return `${endpoint(i)}=${state}/${outerChecksum}`;
        });
      const clients = (sources.get(index) ?? []).join(' ');
      sources.delete(index);
      return `${name} ${value.flags} (${clients}) [${entries.sort().join(' ')}] ${owners.join(' ')}`;
    });
  const hops = Array.from({ length: nextHops.entries }, (_, i) =>
    nextHop.read(nextHops.view, i * nextHops.stride),
  )
    .filter(({ family }) => family !== 0)
    .map(({ addr }) => addr.join('.'));
  const strays = [...sources.values()].flat().join(' ');
  return [...services, `next hops ${hops.sort().join(' ')}`, `stray ranges ${strays}`].join('\n');

  function endpoint(index: number): string {
    const { addr, port } = backend.read(backends.view, index * backends.stride);
    return `${addr.join('.')}:${port}`;
  }
}
