/**
 * What a change of backends means for flows that are under way: which slots of the new table are tracked,
 * and whose they were when the window opened. Pure.
 *
 * Owners are numbers below 0x7fff that mean the same backend in all three tables. The top bit of a live
 * slot is the tracked bit, as in the maps.
 */
import { middleSlot, sharedSlots } from './hash-intervals.ts';

export const TRACKED = 0x8000;
export const OWNER = 0x7fff;

/** Owner of a slot whose backend is not there any more: its flows are lost whatever is done. */
export const NOBODY = 0x7fff;

export interface BackendChange {
  /** The table that is in force; undefined: there is none. */
  readonly live: Uint16Array | undefined;
  /** Owners since the window opened, in a table of its own size; undefined: no window is open. */
  readonly oldest: Uint16Array | undefined;
  /** Owners in the table to be. */
  readonly next: Uint16Array;
}

export interface WindowPlan {
  /** The table to be, with tracked bits. */
  readonly slots: Uint16Array;
  /** Owners since the window opened; undefined: none need be known. */
  readonly oldest: Uint16Array | undefined;
  /** By slot of the new table: 1 where it was taken from a backend that is still there. */
  readonly moved: Uint8Array;
  readonly tracked: number;
  /** Some slot moved: the window begins now, or begins anew. */
  readonly isOpened: boolean;
}

/**
 * A slot is tracked where one of the oldest owners of its hashes is still there and is not the new owner,
 * and where it was tracked before: flows of a third backend may be remembered in it, and only a look at
 * the remembered flows can tell (see settle-window.ts). An oldest owner that is gone is replaced by the
 * last live owner, or by the new one if that is gone too.
 */
export function planWindow({ live, oldest, next }: BackendChange): WindowPlan {
  const slots = next.slice();
  const moved = new Uint8Array(next.length);
  if (live === undefined) return { slots, oldest: undefined, moved, tracked: 0, isOpened: false };
  const { isOpened, sticky } = compare(live, next, moved);
  const former = oldest ?? (isOpened ? live : undefined);
  const known = former === undefined ? undefined : withSuccessors(former, live, next);
  let tracked = 0;
  for (let slot = 0; slot < slots.length; slot++) {
    const owner = next[slot] as number;
    if (sticky[slot] === 0 && (known === undefined || isOwnedBy(known, slot, slots.length, owner))) continue;
    slots[slot] = owner | TRACKED;
    tracked += 1;
  }
  return { slots, oldest: known, moved, tracked, isOpened };
}

/** Fills `moved`, and says which new slots share hashes with a slot that is tracked. */
function compare(
  live: Uint16Array,
  next: Uint16Array,
  moved: Uint8Array,
): { isOpened: boolean; sticky: Uint8Array } {
  const sticky = new Uint8Array(next.length);
  let isOpened = false;
  for (let slot = 0; slot < next.length; slot++) {
    const [first, last] = sharedSlots(slot, next.length, live.length);
    for (let at = first; at <= last; at++) {
      const before = live[at] as number;
      if ((before & TRACKED) !== 0) sticky[slot] = 1;
      if ((before & OWNER) === NOBODY || (before & OWNER) === next[slot]) continue;
      moved[slot] = 1;
      isOpened = true;
    }
  }
  return { isOpened, sticky };
}

/** Whether all of these owners are this one, over the hashes of a slot of another table. */
export function isOwnedBy(owners: Uint16Array, slot: number, slots: number, owner: number): boolean {
  const [first, last] = sharedSlots(slot, slots, owners.length);
  for (let at = first; at <= last; at++) if (((owners[at] as number) & OWNER) !== owner) return false;
  return true;
}

/** The table that was in force when the window opened may have tracked bits of the one before. */
function withSuccessors(oldest: Uint16Array, live: Uint16Array, next: Uint16Array): Uint16Array {
  const size = oldest.length;
  return oldest.map((word, slot) => {
    const owner = word & OWNER;
    if (owner !== NOBODY) return owner;
    const last = (live[middleSlot(slot, size, live.length)] as number) & OWNER;
    return last === NOBODY ? (next[middleSlot(slot, size, next.length)] as number) : last;
  });
}
