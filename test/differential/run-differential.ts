/** The whole run: variant after variant, history after history, until enough was sent or one packet fared differently. */
import { type Bed, type Hook, openBed } from '../packet/bed.ts';
import { Pair } from '../packet/pair.ts';
import { type Failure, type Hits, randomHistory, runHistory, type Step } from './history.ts';
import { Random } from './random.ts';
import { shrink } from './shrink.ts';
import { VARIANTS, type Variant } from './variants.ts';

const LONGEST_HISTORY = 1500;

export interface RunOptions {
  readonly seed: number;
  readonly packets: number;
  /** Default xdp. */
  readonly hook?: Hook;
  /** Default: all. */
  readonly variants?: readonly Variant[];
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

export async function runDifferential({
  seed,
  packets,
  hook = 'xdp',
  variants = VARIANTS,
  isShrunk,
}: RunOptions): Promise<RunReport> {
  const hits: Hits = new Map();
  const random = new Random(seed);
  const beds = new Map<Variant, Bed>();
  const round = variants.flatMap((variant) => new Array<Variant>(variant.share).fill(variant));
  const length = Math.min(LONGEST_HISTORY, Math.ceil(packets / round.length));
  let steps = 0;
  try {
    for (let turn = 0; steps < packets; turn += 1) {
      const variant = round[turn % round.length] as Variant;
      const bed = beds.get(variant) ?? openBed({ ...variant.options, hook });
      beds.set(variant, bed);
      const stage = { pair: new Pair(bed), modes: variant.modes };
      const history = randomHistory(random, length);
      const failure = await runHistory(stage, history, hits);
      if (failure !== undefined) {
        const after = steps + failure.at;
        const shrunk = isShrunk
          ? await shrink((part) => runHistory(stage, part), history, failure)
          : { steps: history.slice(0, failure.at + 1), failure };
        return { steps: after, hits, disagreement: { variant: variant.name, ...shrunk, after } };
      }
      steps += history.length;
      // Calls into C leave garbage that only a turn of the event loop frees.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { steps, hits };
  } finally {
    for (const bed of beds.values()) bed.close();
  }
}
