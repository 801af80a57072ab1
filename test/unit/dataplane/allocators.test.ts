import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BackendBlocks, orderOf, roomyOrder } from '../../../src/dataplane/backend-blocks.ts';
import { IndexPool } from '../../../src/dataplane/room.ts';
import { SlotPool } from '../../../src/dataplane/slot-pool.ts';

describe('slot pool', () => {
  test('never gives a line twice, finds every stretch that fits, and gets all back', () => {
    const command = fc.record({ take: fc.boolean(), size: fc.constantFrom(1, 8, 32, 129), pick: fc.nat() });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        const pool = new SlotPool(400);
        const taken = new Set<number>();
        const held: Array<{ first: number; count: number }> = [];
        for (const { take, size, pick } of commands) {
          if (take || held.length === 0) {
            const first = pool.allocate(size);
            expect(first !== undefined).toBe(longestStretch(taken, 400) >= size);
            if (first === undefined) continue;
            for (let line = first; line < first + size; line++) {
              expect(taken.has(line)).toBe(false);
              taken.add(line);
            }
            held.push({ first, count: size });
          } else {
            const [{ first, count } = { first: 0, count: 0 }] = held.splice(pick % held.length, 1);
            pool.release(first, count);
            for (let line = first; line < first + count; line++) taken.delete(line);
          }
          expect(pool.free).toBe(400 - taken.size);
        }
        // A restart: the same lines reserved in any order leave the same room.
        const again = new SlotPool(400);
        for (const { first, count } of held.reverse()) expect(again.reserve(first, count)).toBe(true);
        expect(again.free).toBe(pool.free);
        for (const { first, count } of held) pool.release(first, count);
        expect(pool.allocate(400)).toBe(0);
      }),
    );
  });

  test('refuses what is taken, or not there', () => {
    const pool = new SlotPool(100);
    expect(pool.reserve(10, 20)).toBe(true);
    expect(pool.reserve(29, 2)).toBe(false);
    expect(pool.reserve(5, 10)).toBe(false);
    expect(pool.reserve(95, 6)).toBe(false);
    expect(() => pool.release(0, 5)).toThrow('freed twice');
    expect(() => pool.release(25, 10)).toThrow('freed twice');
  });
});

function longestStretch(taken: ReadonlySet<number>, lines: number): number {
  let longest = 0;
  let current = 0;
  for (let line = 0; line < lines; line++) {
    current = taken.has(line) ? 0 : current + 1;
    longest = Math.max(longest, current);
  }
  return longest;
}

describe('backend blocks', () => {
  test('blocks are aligned, apart, and found as long as there is one', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1, max: 5 }), { maxLength: 150 }), (orders) => {
        const blocks = new BackendBlocks(128);
        const taken = new Set<number>();
        for (const order of orders) {
          if (order < 0) {
            const [index] = taken;
            if (index === undefined) continue;
            blocks.release(index);
            taken.delete(index);
            continue;
          }
          const size = 2 ** order;
          const first = blocks.allocate(order);
          const starts = Array.from({ length: 128 / size }, (_, i) => i * size);
          const possible = starts.some((start) => !hasAny(taken, start, size));
          expect(first !== undefined).toBe(possible);
          if (first === undefined) continue;
          expect(first % size).toBe(0);
          expect(hasAny(taken, first, size)).toBe(false);
          for (let index = first; index < first + size; index++) taken.add(index);
          expect(blocks.free).toBe(128 - taken.size);
        }
      }),
    );
  });

  test('sizes have room for an eighth more, and none is of one entry', () => {
    expect([1, 2, 3, 4, 7, 8, 10, 1000].map(roomyOrder)).toEqual([1, 2, 2, 3, 3, 4, 4, 11]);
    expect([1, 2, 3, 4, 5, 32_767].map(orderOf)).toEqual([1, 1, 2, 2, 3, 15]);
    expect(roomyOrder(0)).toBe(0);
    expect(roomyOrder(32_767)).toBe(15);
  });

  test('freeing twice is an error, not a leak', () => {
    const blocks = new BackendBlocks(16);
    expect(blocks.reserve(3)).toBe(true);
    expect(blocks.reserve(3)).toBe(false);
    blocks.release(3);
    expect(() => blocks.release(3)).toThrow('freed twice');
  });
});

function hasAny(taken: ReadonlySet<number>, first: number, size: number): boolean {
  return Array.from({ length: size }, (_, i) => first + i).some((index) => taken.has(index));
}

test('indexes: never the reserved ones, never twice, all of them', () => {
  const pool = new IndexPool(1, 6, new Set([2, 9]));
  expect([pool.take(), pool.take(), pool.take()]).toEqual([1, 3, 4]);
  pool.release(2);
  pool.release(2);
  expect([pool.take(), pool.take(), pool.take()]).toEqual([2, 5, undefined]);
  pool.release(3);
  expect(pool.take()).toBe(3);
});
