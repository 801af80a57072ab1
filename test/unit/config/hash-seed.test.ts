import { expect, test } from 'vitest';
import { parseHashSeed } from '../../../src/config/hash-seed.ts';

test.each([
  ['0123456789abcdef', 0x0123456789abcdefn],
  ['0x0123456789ABCDEF\n', 0x0123456789abcdefn],
  ['  ffffffffffffffff0000  ', 0xffffffffffffffffn],
])('%j is a seed', (text, seed) => expect(parseHashSeed(text, 'seed')).toBe(seed));

test.each(['', '0123456789abcde', '0123456789abcdeg', '01234567 89abcdef'])('%j is none', (text) => {
  expect(() => parseHashSeed(text, '/etc/l4lb/seed')).toThrow(/^\/etc\/l4lb\/seed: .*16 hexadecimal/);
});

test('the error does not show the content', () => {
  expect(() => parseHashSeed('topsecret', 'seed')).toThrow(expect.not.stringContaining('topsecret'));
});
