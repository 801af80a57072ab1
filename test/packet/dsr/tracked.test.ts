/** Tracked slots in the real programs against the model of the rule, on random histories. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  backend as backendLayout,
  backendState,
  flowStateNames,
  KEY_OF_CLIENT,
  rememberedFlow,
  serviceFlag,
  service as serviceLayout,
} from '../../../src/layout/generated.ts';
import type { FlowState } from '../../model/state.ts';
import { chooseTracked, type RememberedFlow, TRACKED_RULES, type TrackedWorld } from '../../model/tracked.ts';
import { enterNetwork } from '../network.ts';
import { ageRecent } from '../recent.ts';
import { addressBytes, type Family, type Flow } from './addresses.ts';
import { BACKENDS, DsrBed, macOfBackend, SLOTS } from './dsr-bed.ts';
import { frameOf, innerPacket, TCP_FLAGS } from './frames.ts';
import { tableWord } from './hand-made.ts';

const HZ = 1_000_000;
const SECONDS = [0, 0, 10, 1000, 120, 120, 60, 30, 90];
const CAPACITY = 6;
const TOKENS = 20;
const WINDOW = { TCP: 900 * HZ, UDP: 40 * HZ } as const;
/** Line of the oldest owners' tables; behind those that the bed uses. */
const OLDEST_LINE = 48;
const TRACKED = 0x8000;

/** A small generator (Knuth's MMIX constants), so that a failure can be run again. */
class Dice {
  #state: bigint;
  constructor(seed: number) {
    this.#state = BigInt(seed);
  }
  below(limit: number): number {
    this.#state = (this.#state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((this.#state >> 33n) % BigInt(limit));
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}

class History {
  readonly bed: DsrBed;
  readonly dice: Dice;
  readonly family: Family;
  readonly hasAffinity: boolean;
  readonly rules = new Set<string>();
  #table: number[] = [];
  #oldest: number[] | undefined;
  #windowStart = 0;
  #tokens = TOKENS;
  readonly #remembered = new Map<string, RememberedFlow>();
  readonly #states = new Array<number>(BACKENDS).fill(backendState.BACKEND_ACTIVE);
  readonly #generations = new Array<number>(BACKENDS).fill(0);

  constructor(bed: DsrBed, seed: number, family: Family, hasAffinity: boolean) {
    this.bed = bed;
    this.dice = new Dice(seed);
    this.family = family;
    this.hasAffinity = hasAffinity;
    this.#change();
  }

  get #map() {
    return this.bed.hand.map(this.family === 4 ? 'remembered4' : 'remembered6');
  }

  /** Both services of the family have the same tables. */
  #services(): number[] {
    return this.family === 4 ? [1, 2] : [3, 4];
  }

  /** New owners, and a window that is open, over or none. */
  #change(): void {
    const { dice, bed } = this;
    const owners = () => Array.from({ length: SLOTS }, () => dice.below(BACKENDS));
    this.#table = owners().map((owner) => owner | (dice.below(8) > 0 ? TRACKED : 0));
    this.#oldest = dice.below(6) === 0 ? undefined : owners();
    this.#windowStart = (bed.hand.now() - dice.pick([0, 0, 41, 901]) * HZ) >>> 0;
    if (this.#oldest !== undefined) bed.hand.setSlots(OLDEST_LINE, this.#oldest);
    for (const index of this.#services()) {
      bed.hand.setSlots(8 * index, this.#table);
      const { view, at } = bed.hand.at('services', index);
      const old = serviceLayout.read(view, at);
      serviceLayout.write(view, at, {
        ...old,
        oldest: this.#oldest === undefined ? 0n : tableWord(OLDEST_LINE, 1, 8 * index),
        windowStart: this.#windowStart,
        windowTcp: WINDOW.TCP,
        windowUdp: WINDOW.UDP,
      });
    }
  }

  #setState(): void {
    const { dice, bed } = this;
    const n = dice.below(BACKENDS);
    const { BACKEND_ACTIVE, BACKEND_DRAINING, BACKEND_FREE } = backendState;
    const state = dice.pick([BACKEND_ACTIVE, BACKEND_ACTIVE, BACKEND_DRAINING, BACKEND_FREE]);
    if (state === BACKEND_FREE) this.#generations[n] = (this.#generations[n] as number) + 1;
    this.#states[n] = state;
    for (const index of this.#services()) {
      const { view, at } = bed.hand.at('backends', 8 * index + n);
      view.setUint8(at + backendLayout.offsets.state, state);
      view.setUint16(at + backendLayout.offsets.generation, this.#generations[n] as number, true);
    }
  }

  #age(): void {
    const jiffies = this.dice.pick([0.5, 2, 31, 61, 130, 1001]) * HZ;
    const older = (stamp: number) => (stamp - jiffies) >>> 0;
    this.#windowStart = older(this.#windowStart);
    for (const index of this.#services()) {
      const { view, at } = this.bed.hand.at('services', index);
      view.setUint32(at + serviceLayout.offsets.windowStart, this.#windowStart, true);
    }
    for (const { key, value } of this.bed.hand.kernel.entries(this.#map)) {
      value.writeUInt32LE(older(value.readUInt32LE(12)), 12);
      this.bed.hand.kernel.update(this.#map, key, value);
    }
    ageRecent(this.bed.hand.memory('recent4'), jiffies);
    for (const flow of this.#remembered.values()) flow.seen = older(flow.seen);
  }

  step(): void {
    const action = this.dice.below(40);
    if (action === 0) this.#change();
    else if (action < 3) this.#setState();
    else if (action < 6) this.#age();
    else if (action < 7) this.#refill();
    else this.#packet();
  }

  #refill(): void {
    this.#tokens = TOKENS;
    this.bed.hand.kernel.clearPerCpu(this.bed.hand.map('remember_budgets'), 0, 16);
  }

  #packet(): void {
    const { dice, bed } = this;
    const { syn, ack, fin, rst } = TCP_FLAGS;
    const flow: Flow = {
      ...bed.flow(this.family, dice.below(3) === 0 ? 'udp' : 'tcp', 40_000 + dice.below(5)),
      client: this.family === 4 ? `198.51.100.${1 + dice.below(3)}` : `2001:db8::${1 + dice.below(3)}`,
    };
    const flags = dice.pick([syn, syn, ack, ack, ack | fin, rst, syn | ack]);
    const seq = 1 + dice.below(2);
    const service = bed.serviceOf(flow);
    // Both protocols share the budget of the test, each has its own in the programs.
    const tokensOf = this.#tokensOf(service);
    const packet = innerPacket({ flow, flags, seq });
    const choice = chooseTracked(this.#world(service, tokensOf), this.#trackedService(flow), {
      hash: bed.hash(flow, this.hasAffinity ? { affinity: true } : {}),
      flow: this.#key(flow),
      client: this.#key({ ...flow, clientPort: 0, protocol: flow.protocol | KEY_OF_CLIENT }),
      protocol: flow.protocol === 6 ? 'TCP' : 'UDP',
      syn: flow.protocol === 6 && flags === syn,
      fin: flow.protocol === 6 && (flags & fin) !== 0,
      rst: flow.protocol === 6 && (flags & rst) !== 0,
      sequence: seq,
    });
    this.rules.add(choice.rule);
    const { action, data } = bed.run(frameOf(packet));
    const to = choice.backend === undefined ? undefined : choice.backend % 8;
    const isGone = to !== undefined && this.#states[to] === backendState.BACKEND_FREE;
    const events: Record<string, number> = choice.event === undefined ? {} : { [choice.event]: 1 };
    if (to === undefined) events.DROP_NO_BACKEND = 1;
    if (isGone) events.DROP_INTERNAL = 1;
    const isSent = to !== undefined && !isGone;
    expect({
      rule: choice.rule,
      action,
      to: isSent ? data.subarray(0, 6).toString('hex') : '',
      counted: bed.counted(),
      remembered: this.#readRemembered(),
    }).toEqual({
      rule: choice.rule,
      action: isSent ? 'tx' : 'drop',
      to: isSent ? macOfBackend(to).toString('hex') : '',
      counted: events,
      remembered: this.#expectedRemembered(),
    });
  }

  /** Tokens left by service; a refill fills all. */
  readonly #spent = new Map<number, number>();
  #tokensOf(service: number) {
    if (this.#tokens === TOKENS) this.#spent.clear();
    this.#tokens = 0;
    return () => {
      const spent = this.#spent.get(service) ?? 0;
      if (spent >= TOKENS) return false;
      this.#spent.set(service, spent + 1);
      return true;
    };
  }

  #world(service: number, takeToken: () => boolean): TrackedWorld {
    const names = Object.fromEntries(SECONDS.map((s, n) => [flowStateNames[n], s * HZ]));
    return {
      now: this.bed.hand.now(),
      hz: HZ,
      timeout: names as Record<FlowState, number>,
      remembered: this.#remembered,
      capacity: CAPACITY,
      backend: (index) => {
        const n = index - 8 * service;
        const state = Object.entries(backendState).find(([, value]) => value === this.#states[n])?.[0];
        return { generation: this.#generations[n] as number, state: state ?? 'none' };
      },
      takeToken,
    };
  }

  #trackedService(flow: Flow) {
    const block = 8 * this.bed.serviceOf(flow);
    return {
      hasAffinity: this.hasAffinity,
      table: { slots: this.#table, block },
      oldest: this.#oldest === undefined ? undefined : { slots: this.#oldest, block },
      windowStart: this.#windowStart,
      window: flow.protocol === 6 ? WINDOW.TCP : WINDOW.UDP,
    };
  }

  #key(flow: Flow): string {
    const tail = Buffer.alloc(8);
    tail.writeUInt16BE(flow.clientPort, 0);
    tail.writeUInt16BE(flow.vipPort, 2);
    tail.writeUInt32LE(flow.protocol, 4);
    return Buffer.concat([addressBytes(flow.client), addressBytes(flow.vip), tail]).toString('hex');
  }

  /** Stamps within a few ticks of the model's are taken over. */
  #readRemembered(): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    for (const { key, value } of this.bed.hand.kernel.entries(this.#map)) {
      const name = key.toString('hex');
      const { backend, backendGeneration, state, isn, seen } = rememberedFlow.decode(value);
      const model = this.#remembered.get(name);
      if (model !== undefined && Math.abs((seen - model.seen) | 0) < HZ / 10) model.seen = seen;
      const sequence = Buffer.alloc(4);
      sequence.writeUInt32LE(isn);
      const described = { backend, generation: backendGeneration, state: flowStateNames[state], seen };
      found[name] = { ...described, isn: sequence.readUInt32BE(0) };
    }
    return found;
  }

  #expectedRemembered(): Record<string, unknown> {
    const isUdp = (key: string) => /11(00|01)0000$/.test(key);
    return Object.fromEntries(
      [...this.#remembered].map(([key, flow]) => [key, { ...flow, isn: isUdp(key) ? 0 : flow.isn }]),
    );
  }
}

beforeAll(enterNetwork);

let bed: DsrBed | undefined;
afterEach(() => bed?.close());

describe.each([4, 6] as const)('IPv%d', (family) => {
  it.each([false, true])('does as the model (affinity: %s), by every rule', (hasAffinity) => {
    const rules = new Set<string>();
    for (const defaultMode of ['ipip', 'snat'] as const) {
      bed = new DsrBed({
        mode: 'ipip',
        outer: 4,
        defaultMode,
        flags: hasAffinity ? serviceFlag.SERVICE_F_AFFINITY : 0,
        config: { rememberPerSecond: TOKENS },
        sizes: { remembered4: CAPACITY, remembered6: CAPACITY },
      });
      const history = new History(bed, 7 * family + (hasAffinity ? 1 : 0), family, hasAffinity);
      for (let n = 0; n < (hasAffinity ? 6000 : 2500); n += 1) history.step();
      for (const rule of history.rules) rules.add(rule);
      bed.close();
      bed = undefined;
    }
    const ofClients = (rule: string) => rule.includes('client');
    const wanted = TRACKED_RULES.filter((rule) => rule !== 'no table' && (hasAffinity || !ofClients(rule)));
    expect(wanted.filter((rule) => !rules.has(rule))).toEqual([]);
  });
});
