/**
 * The agent's dataplane code and the model of the packets on random histories: no connection moves whose
 * backend is there. A failure prints fast-check's seed and the shortest history that fails.
 */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import {
  type BackendStanding,
  History,
  type Hits,
  type Step,
  type Variant,
} from '../../consistency/history.ts';
import { TRACKED_RULES } from '../../model/tracked.ts';

vi.setConfig({ testTimeout: 240_000 });

const RUNS = Number(process.env.HISTORIES ?? 12);
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);

const node = fc.constantFrom<0 | 1>(0, 1);
const standing = fc.constantFrom('active', 'active', 'active', 'not ready', 'terminating', 'gone', 'gone');
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      standings: fc.oneof(
        { weight: 8, arbitrary: fc.array(standing, { minLength: 6, maxLength: 6 }) },
        { weight: 1, arbitrary: fc.constant(new Array(6).fill('not ready')) },
      ),
      tableSize: fc.constantFrom(251, 251, 251, 251, 1021),
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 8,
    arbitrary: fc.record(
      { kind: fc.constant('learn' as const), node, kill: fc.integer({ min: 0, max: 24 }) },
      { requiredKeys: ['kind', 'node'] },
    ) as fc.Arbitrary<Step>,
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('begin' as const), node, count: fc.constant(12) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      node,
      count: fc.constantFrom(8, 20),
      again: fc.constantFrom(true, true, false),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('time' as const), part: fc.constantFrom(0.05, 0.2, 0.45) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('settle' as const), node }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), node }) },
);

const change = (...standings: BackendStanding[]): Step => ({ kind: 'change', standings, tableSize: 251 });
const LEARN: Step = { kind: 'learn', node: 0 };
const LATER: Step = { kind: 'time', part: 0.45 };

/** What random steps reach too seldom: connections that begin anew, and clients, when a window is just over. */
const SCRIPT: readonly Step[] = [
  { kind: 'begin', node: 0, count: 60 },
  change('active', 'terminating', 'active', 'active', 'active', 'gone'),
  LEARN,
  { kind: 'end', node: 0, count: 40, again: true },
  { kind: 'begin', node: 0, count: 60 },
  change('not ready', 'terminating', 'not ready', 'not ready', 'not ready', 'active'),
  LEARN,
  change('active', 'terminating', 'active', 'active', 'active', 'active'),
  LEARN,
  LATER,
  LATER,
  LATER,
  { kind: 'begin', node: 0, count: 60 },
  { kind: 'end', node: 0, count: 100, again: true },
  change('not ready', 'not ready', 'not ready', 'not ready', 'not ready', 'gone'),
  LEARN,
  { kind: 'begin', node: 0, count: 4 },
];

async function runHistories(variant: Variant): Promise<Hits> {
  const hits: Hits = new Map();
  await new History(variant, hits).run(SCRIPT);
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary, { minLength: 20, maxLength: 50 }), async (steps) => {
      await new History(variant, hits).run(steps);
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: false },
  );
  const table = [...hits].sort(([a], [b]) => (a < b ? -1 : 1));
  process.stdout.write(`${JSON.stringify(variant)} SEED=${SEED}\n`);
  process.stdout.write(table.map(([name, count]) => `${String(count).padStart(9)} ${name}\n`).join(''));
  return hits;
}

const reached = (hits: Hits, rules: readonly string[]): string[] => rules.filter((rule) => !hits.has(rule));

test('TCP: no connection moves while its backend is there', async () => {
  const hits = await runHistories({ protocol: 'TCP', affinity: false, remembered: 4096 });
  const ofOthers = ['client', 'datagram', 'not remembered', 'no table', 'oldest owner gone'];
  const rules = TRACKED_RULES.filter((rule) => !ofOthers.some((word) => rule.includes(word)));
  expect(reached(hits, rules)).toEqual([]);
  expect(
    reached(hits, ['settle: forgotten', 'settle: flipped', 'settle: cleared', 'settle: closed']),
  ).toEqual([]);
  expect([...hits.keys()].filter((name) => name.startsWith('killed before store')).length).toBeGreaterThan(5);
});

test('TCP without room for all: connections are lost at flips only', async () => {
  const hits = await runHistories({ protocol: 'TCP', affinity: false, remembered: 6 });
  expect(reached(hits, ['not remembered', 'lost for want of memory'])).toEqual([]);
});

test('UDP', async () => {
  const hits = await runHistories({ protocol: 'UDP', affinity: false, remembered: 4096 });
  expect(reached(hits, ['to the oldest owner', 'remembered', 'flipped: remembered'])).toEqual([]);
});

test('affinity', async () => {
  const hits = await runHistories({ protocol: 'TCP', affinity: true, remembered: 4096 });
  const rules = TRACKED_RULES.filter((rule) => rule.includes('client') && !rule.includes('datagram'));
  expect(reached(hits, rules)).toEqual([]);
});
