/** Makes a failing history short: cut behind the failure, then take out pieces, halving them (delta debugging). */
import type { Failure } from './history.ts';

export interface Shrunk<Step> {
  readonly steps: readonly Step[];
  readonly failure: Failure;
}

/** budget: how many steps may be run for it. */
export async function shrink<Step>(
  run: (steps: readonly Step[]) => Promise<Failure | undefined>,
  history: readonly Step[],
  failure: Failure,
  budget = 50_000,
): Promise<Shrunk<Step>> {
  let best: Shrunk<Step> = { steps: history.slice(0, failure.at + 1), failure };
  let left = budget;
  for (
    let size = Math.ceil(best.steps.length / 2);
    size >= 1 && left > 0;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let from = 0; from < best.steps.length && left > 0; ) {
      const steps = [...best.steps.slice(0, from), ...best.steps.slice(from + size)];
      left -= steps.length;
      const found = steps.length === 0 ? undefined : await run(steps);
      if (found === undefined) from += size;
      else best = { steps: steps.slice(0, found.at + 1), failure: found };
    }
  }
  return best;
}
