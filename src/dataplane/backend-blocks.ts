/**
 * Which entries of `backends` are taken. A block is a power of two of entries that begins at a multiple
 * of its size. Entries are freed one by one, because those of an outgrown block stay as long as flows
 * name them.
 */

/** A slot holds 15 bits. */
const LARGEST_BLOCK_ORDER = 15;

/** Backends of one service; 0x7fff stays unused. */
export const MOST_BACKENDS = 32_767;

export class BackendBlocks {
  readonly #taken: Uint8Array;
  #next = 0;
  #free: number;

  constructor(entries: number) {
    this.#taken = new Uint8Array(entries);
    this.#free = entries;
  }

  get free(): number {
    return this.#free;
  }

  get entries(): number {
    return this.#taken.length;
  }

  /** The first entry of a free block of 2^order, or undefined. Next fit, so that filling is linear. */
  allocate(order: number): number | undefined {
    const size = 2 ** order;
    const blocks = Math.floor(this.#taken.length / size);
    const start = Math.ceil(this.#next / size);
    for (let i = 0; i < blocks; i++) {
      const first = ((start + i) % blocks) * size;
      if (!this.#isFree(first, size)) continue;
      this.#taken.fill(1, first, first + size);
      this.#free -= size;
      this.#next = first + size;
      return first;
    }
    return undefined;
  }

  /** False if it was taken already. */
  reserve(index: number): boolean {
    if (this.#taken[index] !== 0) return false;
    this.#taken[index] = 1;
    this.#free -= 1;
    return true;
  }

  release(index: number): void {
    if (this.#taken[index] !== 1) throw new Error(`backend entry ${index} freed twice`);
    this.#taken[index] = 0;
    this.#free += 1;
    // Holes are looked for from the start again, which keeps the used part of the array small.
    if (index < this.#next) this.#next = 0;
  }

  isTaken(index: number): boolean {
    return this.#taken[index] === 1;
  }

  #isFree(first: number, size: number): boolean {
    for (let index = first; index < first + size; index++) if (this.#taken[index] !== 0) return false;
    return true;
  }
}

/** Smallest block for so many backends, with room for an eighth more to come; 0 for none. */
export function roomyOrder(backends: number): number {
  return backends === 0 ? 0 : orderOf(backends + Math.ceil(backends / 8));
}

/** Smallest block for so many backends. The smallest of all has two entries, as order 0 means none. */
export function orderOf(backends: number): number {
  return Math.min(LARGEST_BLOCK_ORDER, Math.max(1, Math.ceil(Math.log2(backends))));
}
