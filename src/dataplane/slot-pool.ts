/**
 * Which lines of maglev_slots are free. Nothing of it is stored: at start every live table is reserved,
 * the rest is free. First fit over a sorted list of free stretches, which join again when freed; there
 * are few sizes, so holes are refilled.
 */
export class SlotPool {
  #stretches: Array<{ first: number; count: number }>;
  readonly lines: number;

  constructor(lines: number) {
    this.lines = lines;
    this.#stretches = lines > 0 ? [{ first: 0, count: lines }] : [];
  }

  get free(): number {
    return this.#stretches.reduce((sum, stretch) => sum + stretch.count, 0);
  }

  /** The first of so many lines in a row, or undefined when there are not as many. */
  allocate(count: number): number | undefined {
    const index = this.#stretches.findIndex((stretch) => stretch.count >= count);
    const stretch = this.#stretches[index];
    if (stretch === undefined) return undefined;
    const { first } = stretch;
    if (stretch.count === count) this.#stretches.splice(index, 1);
    else this.#stretches[index] = { first: first + count, count: stretch.count - count };
    return first;
  }

  /** Takes these lines out of the pool; false if one of them is taken already. */
  reserve(first: number, count: number): boolean {
    const index = this.#stretchBefore(first);
    const stretch = this.#stretches[index];
    if (stretch === undefined || first + count > stretch.first + stretch.count) return false;
    const before = { first: stretch.first, count: first - stretch.first };
    const after = { first: first + count, count: stretch.first + stretch.count - first - count };
    this.#stretches.splice(index, 1, ...[before, after].filter((part) => part.count > 0));
    return true;
  }

  release(first: number, count: number): void {
    const index = this.#stretchBefore(first) + 1;
    const before = this.#stretches[index - 1];
    const after = this.#stretches[index];
    if (before !== undefined && before.first + before.count > first)
      throw new Error(`lines ${first} freed twice`);
    if (after !== undefined && first + count > after.first) throw new Error(`lines ${first} freed twice`);
    const joinsBefore = before !== undefined && before.first + before.count === first;
    const joinsAfter = after !== undefined && first + count === after.first;
    const start = joinsBefore ? before.first : first;
    const end = joinsAfter ? after.first + after.count : first + count;
    this.#stretches.splice(index - (joinsBefore ? 1 : 0), (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), {
      first: start,
      count: end - start,
    });
  }

  /** Index of the last stretch that begins at or before the line; -1 if there is none. */
  #stretchBefore(line: number): number {
    let low = 0;
    let high = this.#stretches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#stretches[middle] as { first: number }).first <= line) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
