import { describe, expect, it } from 'vitest';
import { DSR_PATHS } from '../../bench/limits.ts';
import { readOptions } from '../../bench/options.ts';

describe('options', () => {
  it('measure everything in five rounds unless told otherwise', () => {
    expect(readOptions([], {})).toEqual({
      only: ['pass', 'snat-forward', 'snat-reply', 'snat-new', ...DSR_PATHS],
      cluster: true,
      json: false,
      enforce: false,
      quick: false,
      rounds: 5,
      out: 'bench-results',
    });
  });

  it('take the environment', () => {
    const options = readOptions(['--only', 'pass', '--json'], { ROUNDS: '9', OUT: '/tmp/x', QUICK: '1' });
    expect(options).toMatchObject({
      only: ['pass'],
      cluster: false,
      json: true,
      rounds: 9,
      out: '/tmp/x',
      quick: true,
    });
    expect(readOptions(['--only', 'scale'], {})).toMatchObject({ only: [], cluster: true });
    expect(readOptions([], { QUICK: '1' }).rounds).toBe(2);
    expect(readOptions([], { QUICK: '0' }).quick).toBe(false);
  });

  it('name the value that is wrong and what is allowed', () => {
    expect(() => readOptions(['--only', 'dsr'], {})).toThrow('--only dsr: must be one of pass, snat-forward');
    expect(() => readOptions([], { ROUNDS: 'many' })).toThrow('ROUNDS=many: must be a whole number');
    expect(() => readOptions(['--fast'], {})).toThrow('--fast');
  });
});
