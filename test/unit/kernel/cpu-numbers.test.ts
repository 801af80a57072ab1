import { expect, test } from 'vitest';
import { cpuNumbersOf } from '../../../src/kernel/cpu-numbers.ts';

test.each([
  ['0\n', 1],
  ['0-1\n', 2],
  ['0-127\n', 128],
  ['0,2-5\n', 6],
  ['0-3,8\n', 9],
])('CPUs %j have numbers below %i', (list, numbers) => {
  expect(cpuNumbersOf(list)).toBe(numbers);
});

test.each(['', '\n', 'none', '0-'])('%j is no list of CPUs', (list) => {
  expect(() => cpuNumbersOf(list)).toThrow('/sys/devices/system/cpu/possible');
});
