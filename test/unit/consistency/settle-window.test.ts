import { describe, expect, test } from 'vitest';
import { TRACKED } from '../../../src/consistency/plan-window.ts';
import { ageOf, slotsToClear, slotsToFlip, whyForget } from '../../../src/consistency/settle-window.ts';

const t = (...owners: number[]): Uint16Array => Uint16Array.from(owners);
const T = TRACKED;

describe('slotsToFlip', () => {
  const times = Uint32Array.of(100, 100, 190, 100);

  test('takes those whose last change is more than a window ago, and that are not the owner\u2019s already', () => {
    const live = t(2 | T, 1, 2 | T, 1 | T);
    expect(slotsToFlip({ live, oldest: t(1, 1, 1, 1) }, times, 201, 100)).toEqual([0]);
    expect(slotsToFlip({ live, oldest: t(1, 1, 1, 1) }, times, 200, 100)).toEqual([]);
    expect(slotsToFlip({ live, oldest: t(1, 1, 1, 1) }, times, 291, 100)).toEqual([0, 2]);
  });

  test('leaves tables of different sizes to the flip of all', () => {
    const live = t(2 | T, 1, 2 | T, 1 | T);
    expect(slotsToFlip({ live, oldest: t(1, 1, 1) }, times, 1000, 100)).toEqual([]);
    expect(slotsToFlip({ live, oldest: undefined }, times, 1000, 100)).toEqual([]);
  });
});

test('ages go around with the 32 bits of jiffies, and a packet newer than the clock has none', () => {
  expect(ageOf(5, 0xfffffffb)).toBe(10);
  expect(ageOf(5, 7)).toBe(0);
});

describe('whyForget', () => {
  const live = t(2 | T, 3, 4 | T);
  const flow = { slot: 0, owner: 1, idle: 5, timeout: 5 };
  const settled = (slot: number): boolean => slot === 2;

  test.each([
    ['keeps a flow of another owner', flow, undefined],
    ['backend gone', { ...flow, owner: undefined }, 'backend gone'],
    ['slot not tracked', { ...flow, slot: 1 }, 'slot not tracked'],
    ['idle', { ...flow, idle: 6 }, 'idle'],
    ['keeps one of the live owner in the window', { ...flow, owner: 2 }, undefined],
    ['with the live owner', { ...flow, slot: 2, owner: 4 }, 'with the live owner'],
    ['keeps one of another owner after the flip', { ...flow, slot: 2, owner: 1 }, undefined],
  ])('%s', (_name, given, reason) => {
    expect(whyForget(given, live, settled)).toBe(reason);
  });
});

test('slotsToClear: flipped, tracked, and nothing remembered', () => {
  const live = t(1 | T, 2 | T, 3 | T, 4);
  const clear = slotsToClear(
    live,
    (slot) => slot !== 0,
    (slot) => slot === 1,
  );
  expect(clear).toEqual([2]);
});
