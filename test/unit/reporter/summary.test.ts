import { describe, expect, it } from 'vitest';
import { summarize } from '../../reporter/summary.ts';

describe('summarize', () => {
  it('counts what passed and what failed', () => {
    const { line } = summarize([
      { name: 'a', state: 'passed' },
      { name: 'b', state: 'failed' },
      { name: 'c', state: 'passed' },
    ]);
    expect(line).toBe('2 passed, 1 failed');
  });

  it('counts a skipped test that says why, and prints the reason', () => {
    const { line, remarks, failed } = summarize([
      { name: 'a', state: 'passed' },
      { name: 'b', state: 'skipped', note: 'no FRR here' },
    ]);
    expect(line).toBe('1 passed, 0 failed, 1 skipped');
    expect(remarks).toEqual(['skipped: b: no FRR here']);
    expect(failed).toBe(0);
  });

  it('fails a test that was skipped without a reason', () => {
    expect(summarize([{ name: 'a', state: 'skipped' }]).line).toBe('0 passed, 1 failed');
    expect(summarize([{ name: 'a', state: 'skipped', note: '' }]).line).toBe('0 passed, 1 failed');
  });

  it('fails a test that did not end', () => {
    expect(summarize([{ name: 'a', state: 'pending' }]).failed).toBe(1);
  });

  it('counts errors outside of tests', () => {
    const { line, remarks } = summarize([{ name: 'a', state: 'passed' }], ['x.test.ts: cannot import']);
    expect(line).toBe('1 passed, 1 failed');
    expect(remarks).toEqual(['failed outside of a test: x.test.ts: cannot import']);
  });

  it('fails an empty run', () => {
    expect(summarize([]).line).toBe('0 passed, 1 failed');
  });
});
