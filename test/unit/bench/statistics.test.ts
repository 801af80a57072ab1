import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median, netOf, roundedSpread, spreadOf } from '../../bench/statistics.ts';

const samples = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 31 });

describe('median', () => {
  it('is the middle sample of an odd number, whatever their order', () => {
    expect(median([30, 10, 20])).toBe(20);
  });

  it('is the mean of the two middle samples of an even number', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('does not sort 10 before 9', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  it('leaves its samples in order', () => {
    const given = [3, 1, 2];
    median(given);
    expect(given).toEqual([3, 1, 2]);
  });

  it('has as many samples below as above', () => {
    fc.assert(
      fc.property(samples, (given) => {
        const middle = median(given);
        const below = given.filter((sample) => sample < middle).length;
        const above = given.filter((sample) => sample > middle).length;
        expect(below).toBeLessThanOrEqual(given.length / 2);
        expect(above).toBeLessThanOrEqual(given.length / 2);
      }),
    );
  });

  it('refuses no samples and samples that are no numbers', () => {
    expect(() => median([])).toThrow('no samples');
    expect(() => median([1, Number.NaN])).toThrow('not a number');
  });
});

describe('netOf', () => {
  it('subtracts the empty program of the same round', () => {
    // The machine was slow in the second round: both runs show it, the net cost does not.
    expect(netOf([50, 90, 51], [30, 70, 30])).toEqual({ median: 20, min: 20, max: 21 });
  });

  it('keeps a negative cost visible', () => {
    expect(netOf([29], [30]).median).toBe(-1);
  });

  it('refuses rounds that do not pair', () => {
    expect(() => netOf([1, 2], [1])).toThrow('2 rounds measured, but 1');
  });
});

describe('spreads', () => {
  it('hold the lowest and the highest sample', () => {
    expect(spreadOf([5, 2, 9])).toEqual({ median: 5, min: 2, max: 9 });
  });

  it('are rounded to a tenth', () => {
    expect(roundedSpread({ median: 1.26, min: 0.04, max: 9.95 })).toEqual({ median: 1.3, min: 0, max: 10 });
  });
});
