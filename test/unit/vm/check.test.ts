import { expect, it } from 'vitest';
import { type CheckResult, parseResults, runChecks } from '../../vm/check.ts';

it('runs all checks whatever fails, and says what went wrong', async () => {
  const results: CheckResult[] = [];
  const checks = [
    { name: 'counts', run: async (bed: number) => ({ bed }) },
    { name: 'fails', run: async () => Promise.reject(new Error('no packet came')) },
    { name: 'goes on', run: async () => undefined },
  ];
  await runChecks(checks, 7, (result) => results.push(result));
  expect(results.map(({ check }) => check)).toEqual(['counts', 'fails', 'goes on']);
  expect(results[0]).toMatchObject({ facts: { bed: 7 } });
  expect(results[1]?.error).toContain('no packet came');
  expect(results.filter(({ error }) => error === undefined)).toHaveLength(2);
});

it('takes a line that was cut short, or is none of its own, for no result', () => {
  const results = parseResults('{"check":"a","milliseconds":5}\nnull\n[1]\nnoise\n{"check":"b","mill');
  expect([...results.keys()]).toEqual(['a']);
});
