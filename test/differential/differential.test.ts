/**
 * The C programs against the model, on random histories.
 *
 * SEED=n PACKETS=n reproduce or lengthen a run; without SEED every run has a new one, which is printed.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Hook } from '../packet/bed.ts';
import { enterNetwork } from '../packet/network.ts';
import type { Hits } from './history.ts';
import { RULES } from './rules.ts';
import { type Disagreement, runDifferential } from './run-differential.ts';

const PACKETS = Number(process.env.PACKETS ?? 100_000);
/** All but the hook is the same code on tc; frames with tags cannot be sent there. */
const PACKETS_ON_TC = Math.ceil(PACKETS / 5);
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 32);

beforeAll(enterNetwork);

describe('random histories', () => {
  async function agree(hook: Hook, packets: number): Promise<Hits> {
    process.stdout.write(`differential on ${hook}: SEED=${SEED} PACKETS=${PACKETS}\n`);
    const {
      packets: sent,
      hits,
      disagreement,
    } = await runDifferential({
      seed: SEED,
      packets,
      hook,
      isShrunk: true,
    });
    const table = [...hits].sort(([a], [b]) => (a < b ? -1 : 1));
    process.stdout.write(table.map(([name, count]) => `${String(count).padStart(8)} ${name}\n`).join(''));
    if (disagreement !== undefined) expect.fail(describeDisagreement(disagreement));
    expect(sent).toBeGreaterThanOrEqual(packets);
    return hits;
  }

  it('fare on xdp as in the model, and reach every rule', { timeout: 600_000 }, async () => {
    const hits = await agree('xdp', PACKETS);
    expect(RULES.length).toBeGreaterThan(60);
    expect(RULES.filter((name) => !hits.has(name))).toEqual([]);
  });

  it('fare on tc as in the model, too few to reach every rule each time', { timeout: 600_000 }, async () => {
    const hits = await agree('tc', PACKETS_ON_TC);
    for (const verdict of ['drop', 'pass', 'tx', 'redirect']) expect(hits.get(verdict)).toBeGreaterThan(0);
  });
});

function describeDisagreement({ variant, failure, steps, after }: Disagreement): string {
  return [
    `programs and model disagree after ${after} steps (SEED=${SEED}, ${variant}):`,
    ...failure.differences.slice(0, 10),
    `with ${steps.length} steps: ${JSON.stringify(steps)}`,
  ].join('\n');
}
