import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { middleSlot, sharedSlots } from '../../../src/consistency/hash-intervals.ts';
import { NOBODY, OWNER, planWindow, TRACKED } from '../../../src/consistency/plan-window.ts';

const SIZES = [251, 1021, 4099, 16381, 65537, 131071];
const t = (...owners: number[]): Uint16Array => Uint16Array.from(owners);
const tracked = (owner: number): number => owner | TRACKED;
const slotOf = (hash: number, slots: number): number => Number((BigInt(hash) * BigInt(slots)) >> 32n);

describe('slots of tables of different sizes', () => {
  const slotArbitrary = fc
    .tuple(fc.constantFrom(...SIZES), fc.constantFrom(...SIZES), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([slots, other, at]) => ({ slots, other, slot: Math.min(slots - 1, Math.floor(at * slots)) }));

  test('share exactly the hashes of the interval', () => {
    fc.assert(
      fc.property(slotArbitrary, ({ slots, other, slot }) => {
        const [first, last] = sharedSlots(slot, slots, other);
        // The interval's ends, found by search: the first hash of this slot and of the next one.
        const start = firstHash(slot, slots);
        const end = slot + 1 === slots ? 2 ** 32 - 1 : firstHash(slot + 1, slots) - 1;
        expect(slotOf(start, slots)).toBe(slot);
        expect([slotOf(start, other), slotOf(end, other)]).toEqual([first, last]);
        const middle = middleSlot(slot, slots, other);
        expect(middle).toBeGreaterThanOrEqual(first);
        expect(middle).toBeLessThanOrEqual(last);
      }),
    );
  });

  function firstHash(slot: number, slots: number): number {
    let low = 0;
    let high = 2 ** 32 - 1;
    while (low < high) {
      const half = Math.floor((low + high) / 2);
      if (slotOf(half, slots) < slot) low = half + 1;
      else high = half;
    }
    return low;
  }
});

describe('planWindow', () => {
  test('a service without a table has nothing to remember', () => {
    const plan = planWindow({ live: undefined, oldest: undefined, next: t(1, 2) });
    expect(plan).toMatchObject({ slots: t(1, 2), oldest: undefined, tracked: 0, isOpened: false });
  });

  test('a slot that changes from a backend that is there is tracked, the others are not', () => {
    const plan = planWindow({ live: t(1, 2, 3), oldest: undefined, next: t(1, 9, 3) });
    expect(plan.slots).toEqual(t(1, tracked(9), 3));
    expect(plan.oldest).toEqual(t(1, 2, 3));
    expect([...plan.moved]).toEqual([0, 1, 0]);
    expect(plan).toMatchObject({ tracked: 1, isOpened: true });
  });

  test('a slot of a backend that is gone is simply the new one, and opens no window', () => {
    const plan = planWindow({ live: t(1, NOBODY), oldest: undefined, next: t(1, 1) });
    expect(plan).toMatchObject({ slots: t(1, 1), oldest: undefined, tracked: 0, isOpened: false });
  });

  test('the oldest owner wins over later ones', () => {
    const first = planWindow({ live: t(1, 1), oldest: undefined, next: t(1, 2) });
    const second = planWindow({ live: first.slots, oldest: first.oldest, next: t(3, 3) });
    expect(second.oldest).toEqual(t(1, 1));
    expect(second.slots).toEqual(t(tracked(3), tracked(3)));
  });

  test('a slot that got its oldest owner back stays tracked: flows of the one between are remembered', () => {
    const first = planWindow({ live: t(1, 1), oldest: undefined, next: t(1, 2) });
    const second = planWindow({ live: first.slots, oldest: first.oldest, next: t(1, 1) });
    expect(second.slots).toEqual(t(1, tracked(1)));
  });

  test('where the oldest owner is gone, the last live one takes its place', () => {
    const plan = planWindow({ live: t(tracked(2), 5), oldest: t(NOBODY, 5), next: t(3, 5) });
    expect(plan.oldest).toEqual(t(2, 5));
    expect(plan.slots).toEqual(t(tracked(3), 5));
  });

  test('where both are gone, the new one does, and the bit stays for what is remembered', () => {
    const plan = planWindow({ live: t(tracked(NOBODY), 5), oldest: t(NOBODY, 5), next: t(3, 5) });
    expect(plan.oldest).toEqual(t(3, 5));
    expect(plan.slots).toEqual(t(tracked(3), 5));
    expect(plan.isOpened).toBe(false);
  });

  test('tracked bits of a table that became the one of oldest owners mean nothing', () => {
    const plan = planWindow({ live: t(2, 5), oldest: t(tracked(NOBODY), tracked(5)), next: t(2, 6) });
    expect(plan.oldest).toEqual(t(2, 5));
  });

  test('after the flip, what is left stays tracked and a new change begins with the live owners', () => {
    const plan = planWindow({ live: t(tracked(2), 5), oldest: undefined, next: t(2, 6) });
    expect(plan.oldest).toEqual(t(2, 5));
    expect(plan.slots).toEqual(t(tracked(2), tracked(6)));
  });
});

/** One hash as the rule of docs/consistency.md sees it, without tables. */
interface Watched {
  readonly hash: number;
  live: number;
  /** The first owner since the window opened that is still there. */
  oldest: number;
}

/** expect() is too slow for so many. */
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

const SMALL = [251, 1021];
const changeArbitrary = fc.record({
  slots: fc.constantFrom(...SMALL),
  seed: fc.nat(),
  active: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1 }),
  gone: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { maxLength: 2 }),
});

test('over random histories no hash whose oldest owner is there loses it untracked', () => {
  let kept = 0;
  fc.assert(
    fc.property(fc.array(changeArbitrary, { minLength: 2, maxLength: 8 }), (changes) => {
      let live: Uint16Array | undefined;
      let oldest: Uint16Array | undefined;
      const watched: Watched[] = Array.from({ length: 150 }, (_, i) => ({
        hash: Math.floor(((i + 0.5) / 150) * 2 ** 32),
        live: NOBODY,
        oldest: NOBODY,
      }));
      for (const { slots, seed, active, gone } of changes) {
        const isThere = (owner: number): boolean => !gone.includes(owner) || active.includes(owner);
        const rename = (table: Uint16Array | undefined): Uint16Array | undefined =>
          table?.map((word) => (isThere(word & OWNER) ? word : (word & TRACKED) | NOBODY));
        const next = Uint16Array.from(
          { length: slots },
          (_, slot) => active[(Math.imul(slot + seed, 2654435761) >>> 8) % active.length] as number,
        );
        const plan = planWindow({ live: rename(live), oldest: rename(oldest), next });
        const before = live;
        for (const flow of watched) {
          const owner = next[slotOf(flow.hash, slots)] as number;
          const last = flow.live;
          flow.live = owner;
          if (before === undefined) flow.oldest = owner;
          else if (plan.oldest === undefined) flow.oldest = owner;
          else if (oldest === undefined) flow.oldest = isThere(last) ? last : owner;
          else if (!isThere(flow.oldest)) flow.oldest = isThere(last) ? last : owner;
          const slot = plan.slots[slotOf(flow.hash, slots)] as number;
          must((slot & OWNER) === owner, 'the new owner');
          const isLost = flow.oldest !== owner && (slot & TRACKED) === 0;
          must(!isLost || before?.length !== slots, `hash ${flow.hash}: ${flow.oldest} lost to ${owner}`);
          const lasts = before?.[slotOf(flow.hash, before.length)] as number;
          must(before === undefined || (lasts & TRACKED & ~slot) === 0, 'a tracked slot stays one');
          if (before !== undefined && isThere(last) && last !== owner) {
            must((slot & TRACKED) !== 0, 'what moved is tracked');
            kept += 1;
          }
          if (plan.oldest === undefined) continue;
          const known = plan.oldest[slotOf(flow.hash, plan.oldest.length)] as number;
          must(known !== NOBODY, 'an owner that is there');
          must((slot & TRACKED) !== 0 || known === owner, 'untracked: the oldest owner still');
        }
        live = plan.slots;
        oldest = plan.oldest;
      }
    }),
    { numRuns: 60 },
  );
  expect(kept).toBeGreaterThan(1000);
});
