/** The programs and the model side by side: each packet goes through both, and must fare the same. */
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import {
  answerBudget,
  flowForward,
  flowRecord,
  fragmentPorts,
  nextHop as nextHopLayout,
  rememberedFlow,
  service as serviceLayout,
  snatCursor,
} from '../../src/layout/generated.ts';
import type { DesiredService } from '../../src/services/desired-state.ts';
import { processPacket, type Result } from '../model/process-packet.ts';
import type { AnswerKind, ModelState } from '../model/state.ts';
import type { Bed } from './bed.ts';
import { compareState, recordIndexes } from './compare-state.ts';
import { adoptForgotten } from './forgotten.ts';
import { looksPartial } from './looks-partial.ts';
import { modelOf, readConfiguration } from './maps-to-model.ts';
import { DEVICE, pinnedCpu } from './network.ts';
import { ageRecent } from './recent.ts';
import { readRemembered } from './remembered.ts';

export interface Outcome {
  readonly result: Result;
  /** What the programs did otherwise than the model; empty when they agree. */
  readonly differences: readonly string[];
}

const ACTIONS = {
  xdp: { pass: 2, drop: 1, tx: 3, redirect: 4 },
  // TC_ACT_UNSPEC, TC_ACT_SHOT, TC_ACT_REDIRECT
  tc: { pass: 0xffffffff, drop: 2, tx: 7, redirect: 7 },
} as const;

/** In the order of enum answer_kind. */
const ANSWER_KINDS: readonly AnswerKind[] = ['reject', 'timeExceeded', 'tooBig'];

export class Pair {
  readonly bed: Bed;
  model: ModelState;
  readonly cpu = pinnedCpu();
  /** What the maps were made of last. */
  services: readonly DesiredService[] = [];
  /** Services whose flows may have other slots than when they were remembered; nobody promises to track these. */
  readonly #rehashed = new Set<number>();
  /** Until then a tick decides what becomes of a packet, so one that falls into a run must be looked into. */
  #nearLimitUntil = 0;
  #now: number;

  constructor(bed: Bed) {
    this.bed = bed;
    this.model = modelOf(bed);
    this.#now = bed.now();
  }

  /** Empty maps, fresh model. */
  reset(): void {
    this.bed.reset();
    this.services = [];
    this.#rehashed.clear();
    this.model = modelOf(this.bed);
    this.#now = this.bed.now();
  }

  get now(): number {
    return this.#now;
  }

  async apply(services: readonly DesiredService[], ownAddresses: readonly number[] = []): Promise<void> {
    await this.bed.apply(services, ownAddresses);
    this.services = services;
    const before = new Map(this.model.services);
    this.reread();
    for (const [index, { mode, hashed }] of this.model.services) {
      const former = before.get(index);
      const isSame = former?.mode === mode && inspect(former.hashed) === inspect(hashed);
      if (former !== undefined && !isSame) this.#rehashed.add(index);
    }
  }

  /** What the agent does every half minute; what it must not have done. */
  async settle(): Promise<readonly string[]> {
    await this.bed.settle();
    this.reread();
    return adoptForgotten(this.bed, this.model, this.#now, this.#rehashed);
  }

  /** After the maps were written to. */
  reread(): void {
    readConfiguration(this.bed, this.model);
    this.#now = this.bed.now();
  }

  /**
   * Whether BPF_PROG_TEST_RUN can send the frame as a device would: it takes no shorter ones, and for tc it
   * leaves a tag in the frame that the kernel takes out of what comes from a device, and no checksum to
   * complete.
   */
  takes(frame: Uint8Array): boolean {
    if (this.bed.hook === 'xdp') return frame.length >= ETH_HEADER;
    const header = ethertypeOf(frame) === ETH_P_IPV6 ? IPV6_HEADER : IP_HEADER;
    return frame.length >= ETH_HEADER + header && !isTagged(frame) && !looksPartial(frame);
  }

  send(frame: Uint8Array, ingressIfindex: number = DEVICE.lan): Outcome {
    const before = this.#now;
    const real = this.bed.run(frame, ingressIfindex);
    this.#now = this.bed.now();
    const after = this.#now;
    const arrive = (state: ModelState, now: number): Result =>
      processPacket(state, frame, { now, cpu: this.cpu, ingressIfindex });
    if (before === after) {
      const result = arrive(this.model, before);
      return { result, differences: this.#differences(frame, result, real) };
    }
    const stopped = [...this.model.cursors.values()].some(
      ({ exhaustedAt }) => exhaustedAt >= before && exhaustedAt !== 0,
    );
    if (before <= this.#nearLimitUntil || stopped)
      return this.#anyTime(frame, arrive, [after, ...ticksFrom(before, after)], real);
    const result = arrive(this.model, after);
    this.#adoptStamps(after - before);
    return { result, differences: this.#differences(frame, result, real) };
  }

  /** The clock ticked while the packet was under way, so what it stamped may be a tick earlier. */
  #adoptStamps(ticks: number): void {
    const { view, stride } = this.bed.maps.arrays.flow_records;
    for (const [index, record] of this.model.records) {
      const seen = view.getUint32(index * stride + flowRecord.offsets.seen, true);
      if ((record.seen - seen) >>> 0 <= ticks) record.seen = seen;
    }
    this.#adoptRememberedStamps(ticks);
    for (const [place, cursor] of this.model.cursors) {
      const at = place * snatCursor.size + snatCursor.offsets.exhaustedAt;
      const exhaustedAt = this.bed.memory('snat_cursors').readUInt32LE(at);
      if ((cursor.exhaustedAt - exhaustedAt) >>> 0 <= ticks) cursor.exhaustedAt = exhaustedAt;
    }
  }

  #adoptRememberedStamps(ticks: number): void {
    for (const family of [4, 6] as const) {
      const flows = this.model.remembered[family];
      if (flows.size === 0) continue;
      for (const [key, { seen }] of readRemembered(this.bed, family)) {
        const flow = flows.get(key);
        if (flow !== undefined && (flow.seen - seen) >>> 0 <= ticks) flow.seen = seen;
      }
    }
  }

  /** The same where it decides whether a walk for a SNAT port is made: whichever fits. */
  #anyTime(
    frame: Uint8Array,
    arrive: (state: ModelState, now: number) => Result,
    times: readonly number[],
    real: { returnValue: number; data: Uint8Array },
  ): Outcome {
    const start = this.model;
    let outcome: Outcome | undefined;
    for (const now of times) {
      this.model = cloneState(start);
      const result = arrive(this.model, now);
      const differences = this.#differences(frame, result, real);
      outcome = { result, differences };
      if (differences.length === 0 && compareState(this.bed, this.model, this.cpu).length === 0)
        return outcome;
    }
    if (outcome === undefined) throw new Error('no time given');
    return outcome;
  }

  #differences(sent: Uint8Array, result: Result, real: { returnValue: number; data: Uint8Array }): string[] {
    // On tc a tag that is put on is beside the frame; one that came in the frame is not ours to judge here.
    const isTagBeside = this.bed.hook === 'tc' && !isTagged(sent);
    const found: string[] = [];
    const expected = ACTIONS[this.bed.hook][result.verdict];
    if (real.returnValue !== expected) {
      const why = result.verdict === 'drop' ? `drop ${result.reason}` : result.verdict;
      found.push(`action ${real.returnValue}, model ${expected} (${why})`);
    }
    if (result.verdict !== 'drop') {
      const frame = isTagBeside ? withoutTag(result.frame) : result.frame;
      if (Buffer.compare(real.data, frame) !== 0) {
        found.push(`frame ${hex(real.data)}, model ${hex(frame)}`);
      }
    }
    return found;
  }

  compare(): string[] {
    return compareState(this.bed, this.model, this.cpu);
  }

  /** Waits until the clock has ticked: a CPU that found no SNAT port looks again. */
  async tick(): Promise<void> {
    while (this.bed.now() === this.#now) await sleep(1);
    this.#now = this.bed.now();
  }

  /** Says that a record is about to reach a limit within a jiffy or two. */
  expectLimit(): void {
    this.#nearLimitUntil = this.#now + LIMIT_JIFFIES;
  }

  /** Lets time pass: every stamp in the maps and in the model becomes that much older. */
  age(jiffies: number): void {
    this.#ageMaps(jiffies);
    const older = (stamp: number): number => (stamp - jiffies) >>> 0;
    for (const record of this.model.records.values()) record.seen = older(record.seen);
    for (const flow of this.model.flows.values()) flow.checked = older(flow.checked);
    for (const hop of this.model.nextHops.values()) hop.refreshed = older(hop.refreshed);
    for (const taught of this.model.fragments.values()) taught.seen = older(taught.seen);
    for (const budgets of Object.values(this.model.answerBudgets)) {
      for (const budget of budgets.values()) budget.refilled = older(budget.refilled);
    }
    for (const budget of this.model.rememberBudgets.values()) budget.refilled = older(budget.refilled);
    for (const service of this.model.services.values()) service.windowStart = older(service.windowStart);
    for (const flows of Object.values(this.model.remembered)) {
      for (const flow of flows.values()) flow.seen = older(flow.seen);
    }
    // It keeps in mind when windows began.
    this.bed.restartAgent();
    this.#now = this.bed.now();
  }

  #ageMaps(jiffies: number): void {
    const { flow_records: records, next_hops: hops } = this.bed.maps.arrays;
    const shift = (view: DataView, at: number): void =>
      view.setUint32(at, (view.getUint32(at, true) - jiffies) >>> 0, true);
    for (const index of recordIndexes(this.model)) {
      // The model has no stamp for what was never used.
      if (this.model.records.has(index))
        shift(records.view, index * records.stride + flowRecord.offsets.seen);
    }
    for (const index of this.model.nextHops.keys()) {
      shift(hops.view, index * hops.stride + nextHopLayout.offsets.refreshed);
    }
    const { checked } = flowForward.offsets;
    this.#ageEntries('flows4', checked, shift);
    this.#ageEntries('flows6', checked, shift);
    this.#ageEntries('fragments', fragmentPorts.offsets.seen, shift);
    this.#ageEntries('remembered4', rememberedFlow.offsets.seen, shift);
    this.#ageEntries('remembered6', rememberedFlow.offsets.seen, shift);
    ageRecent(this.bed.memory('recent4'), jiffies);
    const kinds = ANSWER_KINDS.flatMap((kind, index) =>
      this.model.answerBudgets[kind].has(this.cpu) ? [index] : [],
    );
    this.#ageBudgets('answer_budgets', kinds, shift);
    this.#ageBudgets('remember_budgets', [...this.model.rememberBudgets.keys()], shift);
    this.#ageWindows(shift);
  }

  #ageWindows(shift: (view: DataView, at: number) => void): void {
    const { view, stride } = this.bed.maps.arrays.services;
    for (const index of this.model.services.keys()) {
      shift(view, index * stride + serviceLayout.offsets.windowStart);
    }
  }

  #ageEntries(name: string, offset: number, shift: (view: DataView, at: number) => void): void {
    const map = this.bed.map(name);
    for (const { key, value } of this.bed.kernel.entries(map)) {
      const bytes = Buffer.from(value);
      shift(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset);
      this.bed.kernel.update(map, key, bytes);
    }
  }

  /** Both kinds of budgets look alike. */
  #ageBudgets(name: string, indexes: readonly number[], shift: (view: DataView, at: number) => void): void {
    const { kernel } = this.bed;
    const budgets = this.bed.map(name);
    for (const index of indexes) {
      const key = Buffer.alloc(4);
      key.writeUInt32LE(index);
      const value = kernel.lookup(budgets, key);
      if (value === undefined) throw new Error(`${name} has no entry ${index}`);
      const at = this.cpu * answerBudget.size + answerBudget.offsets.refilled;
      shift(new DataView(value.buffer, value.byteOffset, value.length), at);
      kernel.update(budgets, key, value);
    }
  }
}

const ETH_HEADER = 14;
const IP_HEADER = 20;

const IPV6_HEADER = 40;
const ETH_P_IPV6 = 0x86dd;

const ethertypeOf = (frame: Uint8Array): number => ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);

const isTagged = (frame: Uint8Array): boolean => [0x8100, 0x88a8].includes(ethertypeOf(frame));

function withoutTag(frame: Uint8Array): Uint8Array {
  return isTagged(frame) ? Buffer.concat([frame.subarray(0, 12), frame.subarray(16)]) : frame;
}

const MOST_TICKS = 30;
const LIMIT_JIFFIES = 3;

function ticksFrom(before: number, after: number): number[] {
  return Array.from({ length: Math.min(after - before, MOST_TICKS) }, (_, tick) => before + tick);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function cloneState(state: ModelState): ModelState {
  const { fib, ...rest } = state;
  return { ...structuredClone(rest), fib };
}
