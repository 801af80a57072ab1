/** One part of `make fuzz`, in a process of its own: tells its parent how far it is, and what came of it. */
import { runFleet } from '../consistency/run-fleet.ts';
import { runDifferential } from '../differential/run-differential.ts';
import { enterNetwork } from '../packet/network.ts';
import type { FoundFailure } from './failure-file.ts';

export interface PartOrder {
  readonly part: 'packets' | 'histories';
  readonly seed: number;
  readonly count: number;
  /** Milliseconds since 1970: no history begins later. */
  readonly until: number;
}

export type PartMessage =
  | { readonly kind: 'progress'; readonly done: number }
  | {
      readonly kind: 'result';
      readonly done: number;
      readonly hits: ReadonlyArray<readonly [name: string, count: number]>;
      readonly found?: FoundFailure;
    };

/** On tc all but the hook is the same code. */
const SHARE_OF_TC = 1 / 6;

const tell = (message: PartMessage): void => void process.send?.(message);

process.once('message', (order: PartOrder) => {
  const run = order.part === 'packets' ? runPackets : runHistories;
  void run(order).then(
    (result) => {
      tell(result);
      process.disconnect();
    },
    (error) => {
      console.error(error);
      process.exit(70);
    },
  );
});

async function runPackets({ seed, count, until }: PartOrder): Promise<PartMessage> {
  enterNetwork();
  const hits = new Map<string, number>();
  let done = 0;
  for (const [hook, share] of [
    ['xdp', 1 - SHARE_OF_TC],
    ['tc', SHARE_OF_TC],
  ] as const) {
    const before = done;
    const goOn = (packets: number): boolean => {
      tell({ kind: 'progress', done: before + packets });
      // What is left of the time is divided as the packets are.
      return Date.now() < (hook === 'tc' ? until : until - (until - started) * SHARE_OF_TC);
    };
    const packets = Math.ceil(count * share);
    const report = await runDifferential({ seed, packets, hook, isShrunk: true, goOn });
    done += report.packets;
    for (const [name, times] of report.hits) hits.set(name, (hits.get(name) ?? 0) + times);
    const { disagreement } = report;
    if (disagreement !== undefined) {
      return { kind: 'result', done, hits: [...hits], found: { kind: 'packets', disagreement } };
    }
  }
  return { kind: 'result', done, hits: [...hits] };
}

const started = Date.now();

async function runHistories({ seed, count, until }: PartOrder): Promise<PartMessage> {
  const goOn = (done: number): boolean => {
    if (done % 50 === 0) tell({ kind: 'progress', done });
    return Date.now() < until;
  };
  const { histories, hits, disagreement } = await runFleet({ seed, histories: count, isShrunk: true, goOn });
  const result = { kind: 'result', done: histories, hits: [...hits] } as const;
  return disagreement === undefined ? result : { ...result, found: { kind: 'histories', disagreement } };
}
