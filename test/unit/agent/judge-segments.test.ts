import { expect, test } from 'vitest';
import { judgeSegments as judgeSegmentsInSlices } from '../../../src/agent/judge-segments.ts';
import type { DesiredService } from '../../../src/services/desired-state.ts';
import { runAtOnce } from '../../../src/slices/run-in-slices.ts';

const judgeSegments = (...input: Parameters<typeof judgeSegmentsInSlices>) =>
  runAtOnce(judgeSegmentsInSlices(...input));

const hops = new Map([
  ['10.2.0.1', { address: '10.2.0.1', device: 'eth0' }],
  ['10.2.3.1', { address: '10.2.0.254', device: 'eth0' }],
]);
const hopOf = (address: string) => hops.get(address);

const service = (name: string, mode: DesiredService['mode'], ...addresses: string[]): DesiredService => ({
  frontend: { vip: '10.1.0.2', port: 80, protocol: 'TCP' },
  namespace: 'shop',
  name,
  type: 'ExternalIPs',
  tableSize: 251,
  mode,
  backends: addresses.map((address) => ({ address, port: 80, weight: 1, state: 'active' })),
});

test('backends on the segment are fine, and so is any way in a tunnel', () => {
  expect(judgeSegments([service('a', 'l2', '10.2.0.1')], hopOf)).toEqual([]);
  expect(judgeSegments([service('a', 'ipip', '10.2.3.1', '10.9.9.9')], hopOf)).toEqual([]);
});

test('of mode l2 each other way is told on its Service, once, with what to do', () => {
  const addresses = ['10.2.0.1', '10.2.3.1', '10.9.9.9'];
  const [problem, ...more] = judgeSegments(
    [service('web', 'l2', ...addresses), service('web', 'l2', ...addresses)],
    hopOf,
  );
  expect(more).toEqual([]);
  expect(problem).toMatchObject({
    severity: 'error',
    code: 'backend-off-segment',
    object: { kind: 'Service', namespace: 'shop', name: 'web' },
  });
  expect(problem?.message).toBe(
    'mode l2 reaches only backends on a segment of this node, and these are not: 10.2.3.1 (behind gateway ' +
      '10.2.0.254), 10.9.9.9 (no way through a device); ' +
      'packets for them are dropped (off-segment). Use mode ipip or gue for this Service (annotation l4lb.io/mode)',
  );
});

test('of many only some are named', () => {
  const many = Array.from({ length: 9 }, (_, n) => `10.8.0.${n}`);
  const [problem] = judgeSegments([service('web', 'l2', ...many)], hopOf);
  expect(problem?.message).toContain('10.8.0.4 (no way through a device) and 4 more;');
});
