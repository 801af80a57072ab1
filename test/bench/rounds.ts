/** Measures scenarios in interleaved rounds, each next to an empty program with the same tuples. */
import { ProofError } from './proof.ts';
import { netOf, type Spread } from './statistics.ts';
import type { Wrapper } from './wrapper.ts';

export interface Scenario {
  readonly label: string;
  /** Iterations of one round. */
  readonly iterations: number;
  readonly wrapper: Wrapper;
  /** The same frame and tuples before an empty program. */
  readonly empty: Wrapper;
  /** Brings caches and flows into the state that is measured; not timed. */
  warm(): void;
  /** Notes the counters; what it returns tells afterwards what speaks against the run. */
  beginProof(): (iterations: number, verdict: number) => string[];
}

export interface Measured {
  readonly scenario: Scenario;
  readonly net: Spread;
  readonly gross: readonly number[];
  readonly empty: readonly number[];
}

/** The rounds of one scenario; throws {@link ProofError} if they did not take its path. */
export function measureOnce(scenario: Scenario): { gross: number; empty: number } {
  scenario.empty.run(1000);
  const empty = scenario.empty.run(scenario.iterations).durationNs;
  scenario.warm();
  const check = scenario.beginProof();
  const result = scenario.wrapper.run(scenario.iterations);
  const reasons = check(scenario.iterations, result.returnValue);
  if (reasons.length > 0) throw new ProofError(scenario.label, reasons);
  return { gross: result.durationNs, empty };
}

/**
 * All scenarios, `rounds` times in turn, so that a slow moment of the machine meets all of them. `pause`
 * is called between the scenarios and may let the event loop turn.
 */
export async function measureAll(
  scenarios: readonly Scenario[],
  rounds: number,
  progress: (round: number, scenario: Scenario, netNs: number) => void,
  pause: () => Promise<void>,
): Promise<Measured[]> {
  const samples = scenarios.map((scenario) => ({
    scenario,
    gross: [] as number[],
    empty: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const sample of samples) {
      const once = measureOnce(sample.scenario);
      sample.gross.push(once.gross);
      sample.empty.push(once.empty);
      progress(round, sample.scenario, once.gross - once.empty);
      await pause();
    }
  }
  return samples.map((sample) => ({ ...sample, net: netOf(sample.gross, sample.empty) }));
}
