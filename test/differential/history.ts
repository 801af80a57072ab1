/**
 * A history is a list of steps, each with a seed of its own. What a step does
 * is decided from its seed and the model's state, so a history with steps
 * taken out is still one that makes sense: that is how failures shrink.
 */
import { backend as backendLayout, backendState, flowRecord, flowState } from '../../src/layout/generated.ts';
import { buildFrame, TCP } from '../model/packet.ts';
import { age, type FlowState, type ModelState } from '../model/state.ts';
import { HZ } from '../packet/bed.ts';
import { DEVICE } from '../packet/network.ts';
import type { Outcome, Pair } from '../packet/pair.ts';
import { VIP } from '../packet/situation.ts';
import { goneOldest } from './gone-oldest.ts';
import { Random } from './random.ts';
import { randomPacket } from './random-packet.ts';
import { nudgedServices, randomServices } from './random-services.ts';
import type { Variant } from './variants.ts';

export type StepKind =
  | 'packet'
  | 'change'
  | 'nudge'
  | 'settle'
  | 'restart'
  | 'age'
  | 'limit'
  | 'tick'
  | 'broken-backend'
  | 'gone-oldest'
  | 'lost-record';

export interface Step {
  readonly kind: StepKind;
  readonly seed: number;
}

/** What a history is run on. */
export interface Stage {
  readonly pair: Pair;
  readonly modes: Variant['modes'];
}

export interface Failure {
  /** Index of the step at which it was noticed. */
  readonly at: number;
  readonly differences: readonly string[];
}

/** How often each verdict, drop reason and event was met. */
export type Hits = Map<string, number>;

const COMPARE_EVERY = 40;

export function randomHistory(random: Random, length: number): Step[] {
  return Array.from({ length }, (_, i) => ({
    kind:
      i === 0
        ? 'change'
        : random.weighted<StepKind>([
            [950, 'packet'],
            [12, 'age'],
            [8, 'limit'],
            [3, 'change'],
            [9, 'nudge'],
            [4, 'settle'],
            [2, 'restart'],
            [2, 'tick'],
            [2, 'broken-backend'],
            [4, 'gone-oldest'],
            [4, 'lost-record'],
          ]),
    seed: random.next(),
  }));
}

/** Runs a history on empty maps; undefined: programs and model agreed all along. */
export async function runHistory(
  { pair, modes }: Stage,
  history: readonly Step[],
  hits: Hits = new Map(),
): Promise<Failure | undefined> {
  pair.reset();
  for (const [i, step] of history.entries()) {
    const differences = await runStep({ pair, modes }, step, hits).catch(asDifference);
    if (differences.length > 0) return { at: i, differences };
    if (i % COMPARE_EVERY === 0 || i === history.length - 1 || step.kind !== 'packet') {
      const apart = pair.compare();
      if (apart.length > 0) return { at: i, differences: apart };
    }
  }
  return undefined;
}

/** The agent's code has an opinion too. */
const asDifference = (error: unknown): string[] => [
  `thrown: ${error instanceof Error ? error.stack : String(error)}`,
];

async function runStep({ pair, modes }: Stage, { kind, seed }: Step, hits: Hits): Promise<readonly string[]> {
  const random = new Random(seed);
  if (kind === 'packet') return sendRandom(pair, random, hits);
  if (kind === 'settle') return pair.settle();
  if (kind === 'change') await pair.apply(randomServices(random, modes), random.chance(0.5) ? [VIP - 1] : []);
  else if (kind === 'nudge') await pair.apply(nudgedServices(random, pair.services));
  else if (kind === 'restart') pair.bed.restartAgent();
  else if (kind === 'age')
    pair.age(Math.floor(HZ * random.pick([0.37, 1.1, 1.1, 5, 11, 31, 41, 61, 91, 121, 901, 1001])));
  else if (kind === 'limit') ageToLimit(pair, random);
  else if (kind === 'tick') await pair.tick();
  else if (kind === 'lost-record') return loseRecord(pair, random);
  else if (kind === 'gone-oldest') return goneOldest(pair, random, (frame) => sendCounted(pair, frame, hits));
  else return brokenBackend(pair, random, hits);
  return [];
}

function sendRandom(pair: Pair, random: Random, hits: Hits): readonly string[] {
  const frame = randomPacket(random, pair.model);
  if (!pair.takes(frame)) return [];
  const outcome = pair.send(frame, random.chance(0.9) ? DEVICE.lan : DEVICE.far);
  countHits(hits, outcome);
  return outcome.differences;
}

function sendCounted(pair: Pair, frame: Buffer, hits: Hits): readonly string[] {
  const outcome = pair.send(frame);
  countHits(hits, outcome);
  return outcome.differences;
}

function countHits(hits: Hits, { result }: Outcome): void {
  const count = (name: string): void => void hits.set(name, (hits.get(name) ?? 0) + 1);
  count(result.verdict);
  if ('reason' in result && result.reason !== undefined) count(result.reason);
  for (const event of result.events) count(event);
  for (const rule of result.rules) count(rule);
}

interface Limit {
  /** Jiffies. */
  readonly since: number;
  readonly length: number;
}

/** Of a record, a remembered flow, or a window. */
function limitsOf({ config, records, remembered, services }: ModelState): Limit[][] {
  const ofFlow = ({ seen, state }: { seen: number; state: FlowState }): Limit[] => [
    { since: seen, length: config.hz },
    { since: seen, length: config.timeout[state] },
    { since: seen, length: config.timeout[state] },
  ];
  const used = [...records.values()].filter(({ state }) => state !== 'FLOW_FREE');
  const flows = [...remembered[4].values(), ...remembered[6].values()];
  const open = [...services.values()].filter(({ oldest }) => oldest !== undefined);
  return [
    used.flatMap(ofFlow),
    flows.flatMap(ofFlow),
    open.flatMap(({ windowStart: since, windowTcp, windowUdp }) => [
      { since, length: windowTcp },
      { since, length: windowUdp },
    ]),
  ].filter((limits) => limits.length > 0);
}

/** Makes something exactly as old as its timeout, or a second, or a jiffy more. */
function ageToLimit(pair: Pair, random: Random): void {
  const limits = limitsOf(pair.model);
  if (limits.length === 0) return;
  const { since, length } = random.pick(random.pick(limits));
  const wanted = length + random.below(2);
  const already = age(pair.now, since);
  if (already >= wanted) return;
  pair.age(wanted - already);
  pair.expectLimit();
}

/** What a crash could leave: a forward half whose record is free, being written, or lives anew. */
function loseRecord(pair: Pair, random: Random): readonly string[] {
  const used = [...pair.model.records].filter(([, { state }]) => state !== 'FLOW_FREE');
  if (used.length === 0) return [];
  const [index, record] = random.pick(used);
  const { view, stride } = pair.bed.maps.arrays.flow_records;
  const what = random.below(3);
  if (what === 0) record.state = 'FLOW_FREE';
  else if (what === 1) record.state = 'FLOW_CLAIMED';
  else record.generation = (record.generation + 1) & 0xffff;
  view.setUint8(index * stride + flowRecord.offsets.state, flowState[record.state]);
  view.setUint16(index * stride + flowRecord.offsets.generation, record.generation, true);
  return [];
}

/** A slot that names a free backend must not happen; it is counted as DROP_INTERNAL. */
function brokenBackend(pair: Pair, random: Random, hits: Hits): readonly string[] {
  const active = [...pair.model.backends].filter(([, { state }]) => state === 'BACKEND_ACTIVE');
  if (active.length === 0) return [];
  const [index] = random.pick(active);
  const { memory, stride } = pair.bed.maps.arrays.backends;
  const at = index * stride + backendLayout.offsets.state;
  const differences: string[] = [];
  memory.writeUInt8(backendState.BACKEND_FREE, at);
  pair.reread();
  for (let client = 0; client < 6; client += 1) {
    const frame = buildFrame({
      ip: { source: 0xc6336400 + random.below(250), destination: VIP },
      l4: { kind: 'tcp', sourcePort: 1 + random.below(60000), destinationPort: 80, flags: TCP.SYN },
    });
    const outcome = pair.send(frame);
    countHits(hits, outcome);
    differences.push(...outcome.differences);
  }
  memory.writeUInt8(backendState.BACKEND_ACTIVE, at);
  pair.reread();
  return differences;
}
