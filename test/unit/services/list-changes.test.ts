import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listChanges } from '../../../src/services/list-changes.ts';

const objects = Array.from({ length: 12 }, (_, n) => ({ n }));
const someObjects = fc.shuffledSubarray(objects);
const inOrder = fc.subarray(objects);

test('what is in one list only, whatever the order', () => {
  let changed = 0;
  fc.assert(
    fc.property(fc.oneof(someObjects, inOrder), fc.oneof(someObjects, inOrder), (before, after) => {
      const { gone, come } = listChanges(before, after);
      const numbers = (list: readonly { n: number }[]) => list.map(({ n }) => n).sort((a, b) => a - b);
      expect(numbers(gone)).toEqual(numbers(before.filter((each) => !after.includes(each))));
      expect(numbers(come)).toEqual(numbers(after.filter((each) => !before.includes(each))));
      changed += gone.length + come.length;
    }),
    { numRuns: 5_000 },
  );
  expect(changed).toBeGreaterThan(5_000);
});
