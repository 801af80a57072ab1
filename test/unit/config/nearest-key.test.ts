import { expect, test } from 'vitest';
import { nearestKey } from '../../../src/config/nearest-key.ts';

test.each([
  ['devics', 'devices'],
  ['Devices', 'devices'],
  ['timeout', 'timeouts'],
  ['vip', 'vips'],
  ['quantum', undefined],
])('%s is near %s', (written, near) => {
  expect(nearestKey(written, ['devices', 'timeouts', 'vips', 'log'])).toBe(near);
});
