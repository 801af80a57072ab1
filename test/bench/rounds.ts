/**
 * Measures scenarios in interleaved rounds. A round is made of short slices, each beside a slice of the
 * empty program with the same tuples, and between two looks at the machine's speed; slices from slow
 * moments are left out. The choice looks at the machine, never at the result.
 */
import { type Canary, QUIET } from './canary.ts';
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

/** Nanoseconds an iteration, and how slow the machine was around it. */
interface Slice {
  readonly gross: number;
  readonly empty: number;
  readonly slowness: number;
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
  readonly canary: Canary;
  readonly progress: (round: number, scenario: Scenario, sample: Sample) => void;
  /** Called between scenarios; may let the event loop turn. */
  readonly pause: () => Promise<void>;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The quiet slices; where there are too few of them, the least slow ones. */
export function chooseSlices(slices: readonly Slice[], fewest: number): readonly Slice[] {
  const quiet = slices.filter(({ slowness }) => slowness <= QUIET);
  if (quiet.length >= fewest) return quiet;
  return [...slices].sort((a, b) => a.slowness - b.slowness).slice(0, fewest);
}

/** Throws {@link ProofError} if one iteration of any slice did not take the scenario's path. */
export function measureRound(
  scenario: Scenario,
  options: Pick<RoundOptions, 'slices' | 'mostSlices' | 'canary'>,
): Sample {
  const { wrapper, empty, iterations } = scenario;
  const slices: Slice[] = [];
  scenario.warm();
  const check = scenario.beginProof();
  let quiet = 0;
  let verdict = 0;
  let kept = 0;
  while (quiet < options.slices && slices.length < options.mostSlices) {
    kept += scenario.keep?.() ?? 0;
    const before = options.canary.slowness();
    const result = wrapper.run(iterations);
    const without = empty.run(iterations).durationNs;
    const slowness = Math.max(before, options.canary.slowness());
    slices.push({ gross: result.durationNs, empty: without, slowness });
    verdict = result.returnValue;
    if (slowness <= QUIET) quiet++;
  }
  const reasons = check(iterations * slices.length + kept, verdict);
  if (reasons.length > 0) throw new ProofError(scenario.label, reasons);
  const chosen = chooseSlices(slices, Math.ceil(options.slices / 4));
  return {
    gross: mean(chosen.map((slice) => slice.gross)),
    empty: mean(chosen.map((slice) => slice.empty)),
    leftOut: 1 - chosen.length / slices.length,
    slowness: Math.max(...chosen.map((slice) => slice.slowness)),
  };
}

/** All scenarios, `rounds` times in turn, so that a slow time of the machine meets all of them. */
export async function measureAll<S extends Scenario>(
  scenarios: readonly S[],
  options: RoundOptions,
): Promise<Measured<S>[]> {
  const all = scenarios.map((scenario) => ({ scenario, samples: [] as Sample[] }));
  for (let round = 0; round < options.rounds; round++) {
    for (const { scenario, samples } of all) {
      const sample = measureRound(scenario, options);
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
