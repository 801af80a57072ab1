import { expect, test } from 'vitest';
import {
  FRAGMENTS_MATTER_MS,
  judgeFragments,
  lookAtFragments,
} from '../../../src/node-agent/judge-fragments.ts';

test('what a former agent counted is no problem, what comes now is one for a while', () => {
  const first = lookAtFragments(7, undefined, 1000);
  expect(judgeFragments(first, 1000)).toEqual([]);
  const quiet = lookAtFragments(7, first, 2000);
  expect(judgeFragments(quiet, 2000)).toEqual([]);
  const grown = lookAtFragments(9, quiet, 3000);
  const [problem, ...others] = judgeFragments(grown, 3000);
  expect(others).toEqual([]);
  expect(problem).toMatchObject({ severity: 'error', code: 'tunnel-fragments' });
  expect(problem?.message).toContain('(fragment, 9 so far)');
  const later = 3000 + FRAGMENTS_MATTER_MS;
  expect(judgeFragments(lookAtFragments(9, grown, later), later)).toHaveLength(1);
  expect(judgeFragments(lookAtFragments(9, grown, later + 1), later + 1)).toEqual([]);
});
