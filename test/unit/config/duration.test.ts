import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/config/duration.ts';

describe('parseDuration', () => {
  test.each([
    ['30s', 30_000],
    ['2h10m', 7_800_000],
    ['500ms', 500],
    ['1m500ms', 60_500],
    ['1h0m1s', 3_601_000],
    ['0s', 0],
  ])('%s is %i ms', (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));

  test.each(['', '30', 's', '-1s', '1.5s', '1s1m', '1s1s', '1d', '30 s', '1e3s', '9999999999999999h'])(
    '%j is none',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );

  test('reads what formatDuration writes', () => {
    fc.assert(fc.property(fc.nat(), (value) => parseDuration(formatDuration(value)) === value));
  });
});
