/** How much of a table moves when backends change; docs/decisions on weights has the numbers. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TableMember } from '../../../src/maglev/build-table.ts';
import { hundredBackends, movement, ownersOf, SLOTS } from './hundred-backends.ts';

const WEIGHTS: Record<string, (index: number) => number> = {
  'equal weights': () => 1,
  'weights 1 to 10': (index) => 1 + (index % 10),
};

for (const [name, weightOf] of Object.entries(WEIGHTS)) {
  test(`removing one of 100 backends moves at most 1 % of the others' slots: ${name}`, () => {
    for (const network of [0, 7]) {
      const members = hundredBackends(weightOf, network);
      const before = ownersOf(members);
      // Every tenth, and each of the ten weights once.
      for (let i = 0; i < 100; i += 11) {
        const gone = (members[i] as TableMember).identity.address[0];
        const after = ownersOf(members.filter((_, index) => index !== i));
        const { others, ofOthers } = movement(before, after, gone);
        expect(others / ofOthers).toBeLessThanOrEqual(0.01);
      }
    }
  });
}

test('changing one weight from 6 to 7 moves little more than the share it gains', () => {
  const members = hundredBackends((index) => 1 + (index % 10));
  const before = ownersOf(members);
  for (const subject of [5, 45, 95]) {
    const changed = members.map((member, index) => (index === subject ? { ...member, weight: 7 } : member));
    const after = ownersOf(changed);
    const gained = (SLOTS * 7) / 551 - (SLOTS * 6) / 550;
    // Without identity and weight apart, its whole share (715 slots) would move, twice.
    expect(movement(before, after, -1).changed).toBeLessThan(4 * gained);
    const address = (members[subject] as TableMember).identity.address[0];
    const kept = before.filter((owner, slot) => owner === address && after[slot] === address).length;
    expect(kept).toBeGreaterThan(0.85 * before.filter((owner) => owner === address).length);
  }
});

test('the order of input is irrelevant', () => {
  const members = hundredBackends((index) => index % 4).slice(0, 20);
  const expected = ownersOf(members, 1021);
  fc.assert(
    fc.property(fc.shuffledSubarray(members, { minLength: 20, maxLength: 20 }), (shuffled) => {
      expect(ownersOf(shuffled, 1021)).toEqual(expected);
    }),
    { numRuns: 30 },
  );
});

test('each backend has exactly its quota', () => {
  const members = hundredBackends((index) => index % 11);
  const counts = new Map<number, number>();
  for (const owner of ownersOf(members, 4099)) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  const sum = members.reduce((total, { weight }) => total + weight, 0);
  for (const { identity, weight } of members) {
    expect(Math.abs((counts.get(identity.address[0]) ?? 0) - (4099 * weight) / sum)).toBeLessThan(1);
  }
});
