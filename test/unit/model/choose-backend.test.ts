import { expect, it } from 'vitest';
import { indexWord, ip } from '../../model/bytes.ts';
import { flowHash } from '../../model/choose-backend.ts';

it('index words are little-endian loads of the wire bytes', () => {
  expect(indexWord(ip('1.2.3.4'))).toBe(0x04030201);
  expect(indexWord(0xff000080)).toBe(0x800000ff);
});

it('spreads neighbouring clients and ports evenly', () => {
  const slots = 251;
  const counts = new Uint32Array(slots);
  for (let i = 0; i < 251 * 200; i += 1) {
    const hash = flowHash(1n, ip('10.0.0.0') + (i >> 8), ip('10.1.0.2'), 40000 + (i & 255), 80, 6);
    const slot = Math.floor((hash * slots) / 2 ** 32);
    counts[slot] = (counts[slot] ?? 0) + 1;
  }
  // 200 a slot, standard deviation 14.1: six of them either way.
  expect(Math.min(...counts)).toBeGreaterThan(115);
  expect(Math.max(...counts)).toBeLessThan(285);
});
