import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slotQuotas } from '../../../src/maglev/quotas.ts';
import { TABLE_SIZES } from '../../../src/services/desired-state.ts';

const size = fc.constantFrom(...TABLE_SIZES);

test('each quota differs from the exact share by less than one, and all slots are given', () => {
  const weights = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(weights, size, (list, slots) => {
      const sum = list.reduce((x, y) => x + y, 0);
      fc.pre(sum > 0);
      const quotas = slotQuotas(list, slots);
      expect(quotas.reduce((x, y) => x + y, 0)).toBe(slots);
      list.forEach((weight, index) => {
        expect(Math.abs((quotas[index] as number) - (slots * weight) / sum)).toBeLessThan(1);
        if (weight === 0) expect(quotas[index]).toBe(0);
      });
    }),
  );
});

test('a hundred backends of weights 1 to 10, and of equal fractions the first get the rest', () => {
  const weights = Array.from({ length: 100 }, (_, i) => 1 + (i % 10));
  const quotas = slotQuotas(weights, 65537);
  weights.forEach((weight, i) => {
    expect(Math.abs((quotas[i] as number) - (65537 * weight) / 550)).toBeLessThan(1);
  });
  expect([...slotQuotas([1, 1, 1], 251)]).toEqual([84, 84, 83]);
});

test('no weight, no slot', () => {
  expect([...slotQuotas([0, 0], 251)]).toEqual([0, 0]);
  expect([...slotQuotas([], 251)]).toEqual([]);
});
