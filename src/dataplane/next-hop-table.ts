/**
 * The agent's part of next_hops: one entry for each address of a backend. Entry 0 stands for "none".
 * The agent names whom to resolve; programs write how to get there, so an entry is written before a
 * backend names it and cleared only when no packet can reach it any more.
 */
import { addressFamily, nextHop, nextHopState } from '../layout/generated.ts';
import { familyOf, type IpAddress, readAddress, wordsOf } from '../net/address.ts';
import type { MappedArray } from './maps.ts';
import type { Stores } from './stores.ts';

interface Entry {
  readonly index: number;
  users: number;
}

/** Jiffies, and how many a second has. */
export interface JiffiesClock {
  readonly hz: number;
  /** Low 32 bits of jiffies. */
  now(): number;
}

export class NextHopTable {
  readonly #array: MappedArray;
  readonly #byAddress = new Map<IpAddress, Entry>();
  /** Entries without users: looking for them among all is long when a change is small. */
  readonly #unused = new Set<IpAddress>();
  #wasFull = false;
  readonly #free: number[] = [];
  readonly #clock: JiffiesClock;
  /** Entries 1..count-1 are the agent's. */
  readonly #count: number;

  constructor(array: MappedArray, count: number, clock: JiffiesClock) {
    this.#array = array;
    this.#count = count;
    this.#clock = clock;
    for (let index = count - 1; index > 0; index--) {
      const at = index * array.stride;
      const family = array.view.getUint8(at + nextHop.offsets.family);
      const address = readAddress(array.view, at + nextHop.offsets.addr, family);
      const used = family !== addressFamily.FAMILY_NONE;
      // Of two entries for one address (never written by us) the later is cleared by sweep.
      if (used && !this.#byAddress.has(address)) this.#add(address, { index, users: 0 });
      else if (!used) this.#free.push(index);
    }
  }

  get used(): number {
    return this.#byAddress.size;
  }

  get capacity(): number {
    return this.#count - 1;
  }

  /** Counts one more user of an entry that a backend names already; false: it names another one. */
  adopt(address: IpAddress, index: number): boolean {
    const entry = this.#byAddress.get(address);
    if (entry?.index !== index) return false;
    this.#use(address, entry);
    return true;
  }

  /** The entry for the address, made if needed; 0 when the table is full. */
  acquire(stores: Stores, address: IpAddress): number {
    const known = this.#byAddress.get(address);
    if (known !== undefined) {
      this.#use(address, known);
      return known.index;
    }
    const index = this.#free.pop();
    if (index === undefined) {
      this.#wasFull = true;
      return 0;
    }
    this.#write(stores, index, address);
    this.#add(address, { index, users: 1 });
    return index;
  }

  release(address: IpAddress, index: number): void {
    const entry = this.#byAddress.get(address);
    if (entry === undefined || entry.index !== index) return;
    entry.users -= 1;
    if (entry.users === 0) this.#unused.add(address);
  }

  hasUnused(): boolean {
    return this.#unused.size > 0;
  }

  /** Whether anybody may be without an entry. */
  get wasFull(): boolean {
    return this.#wasFull;
  }

  /** A backend was found without an entry. */
  noteLack(): void {
    this.#wasFull = true;
  }

  /** Clears what no backend names. Only after a grace period since the last one stopped. */
  sweep(stores: Stores): void {
    for (const address of this.#unused) {
      const { index } = this.#byAddress.get(address) as Entry;
      stores.bytes(this.#array, index * this.#array.stride, new Uint8Array(nextHop.size));
      this.#byAddress.delete(address);
      this.#free.push(index);
    }
    this.#unused.clear();
  }

  #add(address: IpAddress, entry: Entry): void {
    this.#byAddress.set(address, entry);
    if (entry.users === 0) this.#unused.add(address);
  }

  #use(address: IpAddress, entry: Entry): void {
    entry.users += 1;
    this.#unused.delete(address);
  }

  #write(stores: Stores, index: number, address: IpAddress): void {
    const value = nextHop.encode({
      dmac: [0, 0, 0, 0, 0, 0],
      state: nextHopState.NEXT_HOP_UNRESOLVED,
      smac: [0, 0, 0, 0, 0, 0],
      vlan: 0,
      ifindex: 0,
      refreshed: (this.#clock.now() - this.#clock.hz) >>> 0,
      addr: [...wordsOf(address)],
      family: familyOf(address),
      inUse: 0,
      generation: 0,
      mtu: 0,
      routed: 0,
      reserved: [0, 0, 0],
    });
    stores.bytes(this.#array, index * this.#array.stride, value);
  }
}

/** Makes every entry, those towards clients too, due for a look at the FIB. */
export function invalidateNextHops(array: MappedArray, clock: JiffiesClock): void {
  const stale = (clock.now() - clock.hz) >>> 0;
  const { family, refreshed } = nextHop.offsets;
  for (let index = 1; index < array.entries; index++) {
    const at = index * array.stride;
    // Programs move this word by compare-and-swap. One that does so now has just asked the FIB or is
    // about to, so that a lost mark costs one second at most.
    if (array.memory[at + family] !== addressFamily.FAMILY_NONE) {
      array.view.setUint32(at + refreshed, stale, true);
    }
  }
}
