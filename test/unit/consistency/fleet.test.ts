/** The short run of the histories of several nodes. SEED=n HISTORIES=n reproduce or lengthen it. */
import { expect, it } from 'vitest';
import { FLEET_RULES, runFleet } from '../../consistency/run-fleet.ts';

const HISTORIES = Number(process.env.HISTORIES ?? 500);
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 32);

it('nodes without shared state are of one mind, and keep what they must', { timeout: 240_000 }, async () => {
  process.stdout.write(`fleet: SEED=${SEED} HISTORIES=${HISTORIES}\n`);
  const { histories, hits, disagreement } = await runFleet({
    seed: SEED,
    histories: HISTORIES,
    isShrunk: true,
  });
  const table = [...hits].sort(([a], [b]) => (a < b ? -1 : 1));
  process.stdout.write(table.map(([name, count]) => `${String(count).padStart(8)} ${name}\n`).join(''));
  if (disagreement !== undefined) {
    const { failure, ...history } = disagreement;
    expect.fail([`SEED=${SEED}`, ...failure.differences, JSON.stringify(history)].join('\n'));
  }
  expect(histories).toBe(HISTORIES);
  expect(FLEET_RULES.filter((name) => !hits.has(name))).toEqual([]);
});
