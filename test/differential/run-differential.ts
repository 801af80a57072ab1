/** The whole run: all variants, history after history, until enough packets went through or one fared differently. */
import { openBed } from '../packet/bed.ts';
import { Pair } from '../packet/pair.ts';
import { type Failure, type Hits, randomHistory, runHistory, type Step } from './history.ts';
import { Random } from './random.ts';
import { shrink } from './shrink.ts';
import { VARIANTS } from './variants.ts';

const HISTORY = 1500;

export interface RunOptions {
  readonly seed: number;
  readonly packets: number;
  /** Shrinking takes time that a caller may not want to spend. */
  readonly isShrunk: boolean;
}

export interface Disagreement {
  readonly variant: string;
  readonly failure: Failure;
  readonly steps: readonly Step[];
  /** Steps that had agreed before. */
  readonly after: number;
}

export interface RunReport {
  readonly steps: number;
  readonly hits: Hits;
  readonly disagreement?: Disagreement;
}

export async function runDifferential({ seed, packets, isShrunk }: RunOptions): Promise<RunReport> {
  const hits: Hits = new Map();
  const random = new Random(seed);
  let steps = 0;
  for (const { name, options, share } of VARIANTS) {
    const bed = openBed(options);
    try {
      const pair = new Pair(bed);
      for (const end = steps + packets * share; steps < end; ) {
        const history = randomHistory(random, Math.min(HISTORY, Math.ceil(end - steps) + 1));
        const failure = await runHistory(pair, history, hits);
        if (failure !== undefined) {
          const after = steps + failure.at;
          const shrunk = isShrunk
            ? await shrink((part) => runHistory(pair, part), history, failure)
            : { steps: history.slice(0, failure.at + 1), failure };
          return { steps: after, hits, disagreement: { variant: name, ...shrunk, after } };
        }
        steps += history.length;
        // ffi calls leave garbage that only a turn of the event loop frees.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      bed.close();
    }
  }
  return { steps, hits };
}
