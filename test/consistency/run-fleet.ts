/** Random histories of several nodes, until enough were run or one went wrong. */
import type { Failure } from '../differential/history.ts';
import { Random } from '../differential/random.ts';
import { shrink } from '../differential/shrink.ts';
import { Fleet, type FleetHits, type FleetStep, randomFleetHistory } from './fleet.ts';
import type { FleetVariant } from './slices.ts';

export const FLEET_VARIANTS: readonly FleetVariant[] = [
  { protocol: 'TCP', affinity: false },
  { protocol: 'UDP', affinity: false },
  { protocol: 'TCP', affinity: false },
  { protocol: 'TCP', affinity: true },
];

/** All that there is to say of a history. */
export interface FleetHistory {
  readonly variant: FleetVariant;
  readonly nodes: number;
  readonly steps: readonly FleetStep[];
}

export interface FleetDisagreement extends FleetHistory {
  readonly failure: Failure;
  /** Histories that went right before. */
  readonly after: number;
}

export interface FleetReport {
  readonly histories: number;
  readonly hits: FleetHits;
  readonly disagreement?: FleetDisagreement;
}

export async function runFleetHistory(
  { variant, nodes, steps }: FleetHistory,
  hits: FleetHits = new Map(),
): Promise<Failure | undefined> {
  const fleet = new Fleet(variant, nodes, hits);
  let at = 0;
  try {
    await fleet.start();
    for (; at < steps.length; at += 1) await fleet.step(steps[at] as FleetStep);
    at = steps.length - 1;
    await fleet.end();
    return undefined;
  } catch (error) {
    return { at, differences: [error instanceof Error ? (error.stack ?? error.message) : String(error)] };
  }
}

export interface FleetOptions {
  readonly seed: number;
  readonly histories: number;
  readonly isShrunk: boolean;
  /** Called after each; false: stop. */
  readonly goOn?: (histories: number) => boolean;
}

export async function runFleet({ seed, histories, isShrunk, goOn }: FleetOptions): Promise<FleetReport> {
  const random = new Random(seed);
  const hits: FleetHits = new Map();
  for (let done = 0; done < histories; done += 1) {
    const history: FleetHistory = {
      variant: FLEET_VARIANTS[done % FLEET_VARIANTS.length] as FleetVariant,
      nodes: 2 + random.below(3),
      steps: randomFleetHistory(random, 12 + random.below(30)),
    };
    const failure = await runFleetHistory(history, hits);
    if (failure !== undefined) {
      const { steps } = history;
      const shrunk = isShrunk
        ? await shrink(
            (part: readonly FleetStep[]) => runFleetHistory({ ...history, steps: part }),
            steps,
            failure,
          )
        : { steps: steps.slice(0, failure.at + 1), failure };
      return { histories: done, hits, disagreement: { ...history, ...shrunk, after: done } };
    }
    if (goOn?.(done + 1) === false) return { histories: done + 1, hits };
  }
  return { histories, hits };
}

/** What the histories have to reach. */
export const FLEET_RULES: readonly string[] = [
  ...['hash alone', 'remembered', 'to the oldest owner', 'owner is the oldest one'].flatMap((rule) => [
    `moved: ${rule}`,
    `stayed: ${rule}`,
  ]),
  ...['flipped: owner', 'flipped: remembered'].map((rule) => `moved: ${rule}`),
  ...['SYN to the owner', 'SYN to the oldest owner of a client'].map((rule) => `began: ${rule}`),
  ...['moved', 'stayed'].flatMap((how) => [`${how}, protected: kept`, `${how}, not protected: lost`]),
  ...['hash alone, data', 'hash alone, syn', 'tracked, syn'].map((what) => `same place: ${what}`),
  ...['forgotten', 'flipped', 'cleared', 'closed'].map((what) => `settle: ${what}`),
  'replaced',
];
