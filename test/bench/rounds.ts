/**
 * Measures scenarios in interleaved rounds. A round is made of short slices, each between two slices of the
 * empty program with the same tuples. Those two are subtracted, and tell how fast the machine is just now:
 * where a CPU is one thread of a core, work on the other thread, also that of another virtual machine which
 * no counter shows, nearly doubles the time of everything, for milliseconds or for minutes. Slices from
 * slow moments are left out. The choice looks at the empty program, never at the one that is measured.
 */
import { ProofError } from './proof.ts';
import { netOf, type Spread } from './statistics.ts';
import type { Wrapper } from './wrapper.ts';

export interface Scenario {
  readonly label: string;
  /** Iterations of one slice. */
  readonly iterations: number;
  readonly wrapper: Pick<Wrapper, 'run'>;
  /** The same frame and tuples before an empty program. */
  readonly empty: Pick<Wrapper, 'run'>;
  /** Brings caches and flows into the state that is measured; not timed. */
  warm(): void;
  /** Before each slice, not timed: keeps that state. Returns the iterations that this took of the wrapper. */
  keep?(): number;
  /** Notes the counters; what it returns tells afterwards what speaks against the run. */
  beginProof(): (iterations: number, verdict: number) => string[];
}

/** How many times its best the empty program may take while the machine counts as quiet. */
export const QUIET = 1.15;

/** Looks at the empty program before the first round, to know its best. */
const LOOKS = 24;

/** Nanoseconds an iteration; of the empty program right before and right after. */
interface Slice {
  readonly gross: number;
  readonly before: number;
  readonly after: number;
}

/** The least that the empty program ever took, in nanoseconds an iteration. */
export interface Best {
  emptyNs: number;
}

/** Means of the slices that count. */
export interface Sample {
  readonly gross: number;
  readonly empty: number;
  /** Share of slices that were taken and left out, 0..1. */
  readonly leftOut: number;
  /** Of the slices that count, the slowest moment. */
  readonly slowness: number;
}

export interface Measured<S extends Scenario> {
  readonly scenario: S;
  readonly net: Spread;
  readonly samples: readonly Sample[];
}

export interface RoundOptions {
  readonly rounds: number;
  /** Quiet slices that a round needs. */
  readonly slices: number;
  /** Slices after which a round ends in any case. */
  readonly mostSlices: number;
  readonly progress: (round: number, scenario: Scenario, sample: Sample) => void;
  /** Called between scenarios; may let the event loop turn. */
  readonly pause: () => Promise<void>;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function slownessOf(slice: Slice, best: Best): number {
  return Math.max(slice.before, slice.after) / best.emptyNs;
}

/** The quiet slices; where there are too few of them, the least slow ones. */
export function chooseSlices(slices: readonly Slice[], best: Best, fewest: number): readonly Slice[] {
  const quiet = slices.filter((slice) => slownessOf(slice, best) <= QUIET);
  if (quiet.length >= fewest) return quiet;
  return [...slices].sort((a, b) => slownessOf(a, best) - slownessOf(b, best)).slice(0, fewest);
}

/** One slice of the empty program. */
function lookAtMachine(scenario: Scenario, best: Best): number {
  const { durationNs } = scenario.empty.run(scenario.iterations);
  best.emptyNs = Math.min(best.emptyNs, durationNs);
  return durationNs;
}

/** Throws {@link ProofError} if one iteration of any slice did not take the scenario's path. */
export function measureRound(
  scenario: Scenario,
  options: Pick<RoundOptions, 'slices' | 'mostSlices'>,
  best: Best = { emptyNs: Number.POSITIVE_INFINITY },
): Sample {
  const { wrapper, iterations } = scenario;
  const slices: Slice[] = [];
  scenario.warm();
  const check = scenario.beginProof();
  let quiet = 0;
  let verdict = 0;
  let kept = 0;
  let before = lookAtMachine(scenario, best);
  while (quiet < options.slices && slices.length < options.mostSlices) {
    const keeping = scenario.keep?.() ?? 0;
    if (keeping > 0) before = lookAtMachine(scenario, best);
    kept += keeping;
    const result = wrapper.run(iterations);
    const after = lookAtMachine(scenario, best);
    const slice = { gross: result.durationNs, before, after };
    slices.push(slice);
    verdict = result.returnValue;
    before = after;
    if (slownessOf(slice, best) <= QUIET) quiet++;
  }
  const reasons = check(iterations * slices.length + kept, verdict);
  if (reasons.length > 0) throw new ProofError(scenario.label, reasons);
  const chosen = chooseSlices(slices, best, Math.ceil(options.slices / 4));
  return {
    gross: mean(chosen.map((slice) => slice.gross)),
    empty: mean(chosen.map((slice) => (slice.before + slice.after) / 2)),
    leftOut: 1 - chosen.length / slices.length,
    slowness: Math.max(...chosen.map((slice) => slownessOf(slice, best))),
  };
}

/** All scenarios, `rounds` times in turn, so that a slow time of the machine meets all of them. */
export async function measureAll<S extends Scenario>(
  scenarios: readonly S[],
  options: RoundOptions,
): Promise<Measured<S>[]> {
  const all = scenarios.map((scenario) => {
    const best: Best = { emptyNs: Number.POSITIVE_INFINITY };
    for (let n = 0; n < LOOKS; n++) lookAtMachine(scenario, best);
    return { scenario, best, samples: [] as Sample[] };
  });
  for (let round = 0; round < options.rounds; round++) {
    for (const { scenario, best, samples } of all) {
      const sample = measureRound(scenario, options, best);
      samples.push(sample);
      options.progress(round, scenario, sample);
      await options.pause();
    }
  }
  return all.map(({ scenario, samples }) => ({
    scenario,
    samples,
    net: netOf(
      samples.map((sample) => sample.gross),
      samples.map((sample) => sample.empty),
    ),
  }));
}
