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
  /** Called after each history; false: stop. */
  readonly goOn?: (packets: number) => boolean;
}

export interface Disagreement {
  /** Its name. */
  readonly variant: string;
  readonly hook: Hook;
  readonly failure: Failure;
  readonly steps: readonly Step[];
  /** Steps that had agreed before. */
  readonly after: number;
}

export interface RunReport {
  readonly steps: number;
  readonly packets: number;
  readonly hits: Hits;
  readonly disagreement?: Disagreement;
}

export async function runDifferential({
  seed,
  packets,
  hook = 'xdp',
  variants = VARIANTS,
  isShrunk,
  goOn,
}: RunOptions): Promise<RunReport> {
  const hits: Hits = new Map();
  const random = new Random(seed);
  const beds = new Map<Variant, Bed>();
  const round = variants.flatMap((variant) => new Array<Variant>(variant.share).fill(variant));
  const length = Math.min(LONGEST_HISTORY, Math.ceil(packets / round.length));
  let steps = 0;
  try {
    for (let turn = 0; sent(hits) < packets; turn += 1) {
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
        const disagreement = { variant: variant.name, hook, ...shrunk, after };
        return { steps: after, packets: sent(hits), hits, disagreement };
      }
      steps += history.length;
      // Calls into C leave garbage that only a turn of the event loop frees.
      await new Promise((resolve) => setImmediate(resolve));
      if (goOn?.(sent(hits)) === false) break;
    }
    return { steps, packets: sent(hits), hits };
  } finally {
    for (const bed of beds.values()) bed.close();
  }
}

/** Each packet has one verdict. */
function sent(hits: Hits): number {
  return ['pass', 'drop', 'tx', 'redirect'].reduce((sum, verdict) => sum + (hits.get(verdict) ?? 0), 0);
}

/** Runs one history of a variant; undefined: programs and model agree. */
export async function replayHistory({
  variant,
  hook,
  steps,
}: Pick<Disagreement, 'variant' | 'hook' | 'steps'>): Promise<Failure | undefined> {
  const found = VARIANTS.find(({ name }) => name === variant);
  if (found === undefined) throw new Error(`no variant is called "${variant}"`);
  const bed = openBed({ ...found.options, hook });
  try {
    return await runHistory({ pair: new Pair(bed), modes: found.modes }, steps);
  } finally {
    bed.close();
  }
}
