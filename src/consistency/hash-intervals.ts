/**
 * Tables of different sizes cut the same range of hashes (0 to 2^32 - 1) in other places. A slot is the
 * interval of hashes for which (hash * slots) >> 32 names it.
 */

const HASHES = 2 ** 32;

/** First and last slot of a table with `other` slots that share a hash with `slot` of one with `slots`. */
export function sharedSlots(slot: number, slots: number, other: number): readonly [number, number] {
  if (slots === other) return [slot, slot];
  // All products stay below 2^49, which a number holds exactly.
  const first = Math.ceil((slot * HASHES) / slots);
  const last = Math.ceil(((slot + 1) * HASHES) / slots) - 1;
  return [Math.floor((first * other) / HASHES), Math.floor((last * other) / HASHES)];
}

/** The slot of a table with `other` slots in which the middle of `slot` lies. */
export function middleSlot(slot: number, slots: number, other: number): number {
  return slots === other ? slot : Math.floor(((2 * slot + 1) * other) / (2 * slots));
}
