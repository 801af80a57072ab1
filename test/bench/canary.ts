/**
 * Is the machine at its full speed just now? Where a CPU is one thread of a core, work on the other
 * thread, also that of another virtual machine which no counter here shows, nearly doubles the time of
 * everything, for milliseconds or for minutes. A fixed piece of work, run right before and right after a
 * measurement, tells.
 */
import type { Wrapper } from './wrapper.ts';

/** How many times its best the work may take while the machine counts as quiet. */
export const QUIET = 1.15;

const ITERATIONS = 60000;
const CALIBRATIONS = 200;

export interface Canary {
  /** How slow the machine is now: 1 is the fastest it was seen, 2 takes twice as long. */
  slowness(): number;
}

/** wrapper: with one tuple, before an empty program. Calibrates for about half a second. */
export function startCanary(wrapper: Pick<Wrapper, 'run'>): Canary {
  const once = () => wrapper.run(ITERATIONS).durationNs;
  once();
  let best = Number.POSITIVE_INFINITY;
  for (let n = 0; n < CALIBRATIONS; n++) best = Math.min(best, once());
  return {
    slowness() {
      const now = once();
      best = Math.min(best, now);
      return now / best;
    },
  };
}
