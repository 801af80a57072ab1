/** Flows that speak once a minute, through nodes, while things change. */
import type { BackendSet, TableOf } from './backend-set.ts';
import type { Scenario } from './scenarios.ts';
import { HZ, SCHEMES, type SchemeName, type SimulatedNode } from './schemes.ts';

export interface SimulationSettings {
  readonly flows: number;
  readonly slots: number;
  readonly tableOf: TableOf;
  readonly window: number;
  readonly rememberedFlows: number;
  readonly rememberPerMinute: number;
}

export interface SimulationResult {
  /** Connections whose packets came to another backend though theirs was there. */
  readonly broken: number;
  /** Connections whose backend went: the same in all schemes. */
  readonly lost: number;
  /** Most entries that all nodes had together, and the largest share of tracked slots on one. */
  readonly entries: number;
  readonly tracked: number;
  /** Entries at the end. */
  readonly left: number;
}

/** Of 10,000 connections, those that end each minute and are followed by new ones. */
const CHURN = 100;
const MINUTE = 60 * HZ;

/** 32 bits from a number below 2^53: MurmurHash3's finalizer (Appleby) over both halves. */
export function mix(value: number, salt: number): number {
  let h = Math.imul((value >>> 0) ^ salt, 0xcc9e2d51) ^ Math.floor(value / 2 ** 32);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const hashOf = (flow: number): number => mix(flow, 0x5bd1e995);

export function simulate(
  scenario: Scenario,
  scheme: SchemeName,
  settings: SimulationSettings,
): SimulationResult {
  return new Simulation(scenario, scheme, settings).run();
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #make: () => SimulatedNode;
  readonly #nodes = new Map<number, SimulatedNode>();
  /** By connection: its number, which is new with every life, and its backend. */
  readonly #flows: Float64Array;
  readonly #backends: Uint16Array;
  #serving: readonly SimulatedNode[] = [];
  #now = 1_000_000;
  #broken = 0;
  #lost = 0;

  constructor(scenario: Scenario, scheme: SchemeName, settings: SimulationSettings) {
    this.#scenario = scenario;
    this.#make = () => SCHEMES[scheme]({ ...settings, hashOf });
    this.#flows = new Float64Array(settings.flows);
    this.#backends = new Uint16Array(settings.flows);
  }

  run(): SimulationResult {
    const { script, minutes, countFrom = 0 } = this.#scenario;
    let set: BackendSet = {
      active: Array.from({ length: this.#scenario.backends }, (_, n) => n),
      draining: [],
    };
    this.#serve(this.#scenario.nodes, set);
    for (let i = 0; i < this.#flows.length; i++) {
      this.#flows[i] = i;
      this.#connect(i);
    }
    let entries = 0;
    let tracked = 0;
    for (let minute = 0; minute < minutes; minute++) {
      this.#now += MINUTE;
      const { backends, nodes } = script[minute] ?? {};
      if (backends !== undefined) {
        set = backends;
        for (const node of this.#nodes.values()) node.change(set, this.#now);
      }
      if (nodes !== undefined) this.#serve(nodes, set);
      if (minute === countFrom) this.#broken = this.#lost = 0;
      this.#speak(minute, set);
      entries = Math.max(entries, this.#count());
      for (const node of this.#serving) {
        tracked = Math.max(tracked, node.tracked);
        node.settle(this.#now);
      }
    }
    return { broken: this.#broken, lost: this.#lost, entries, tracked, left: this.#count() };
  }

  /** A node that comes starts with nothing; one that goes forgets all. */
  #serve(numbers: readonly number[], set: BackendSet): void {
    for (const number of numbers) {
      if (this.#nodes.has(number)) continue;
      const node = this.#make();
      node.change(set, this.#now);
      this.#nodes.set(number, node);
    }
    for (const number of this.#nodes.keys()) if (!numbers.includes(number)) this.#nodes.delete(number);
    this.#serving = numbers.map((number) => this.#nodes.get(number) as SimulatedNode);
  }

  /** The router's choice, by a hash of its own. */
  #nodeOf(flow: number): SimulatedNode {
    return this.#serving[mix(flow, 0x1b873593) % this.#serving.length] as SimulatedNode;
  }

  #connect(i: number): void {
    const flow = this.#flows[i] as number;
    this.#backends[i] = this.#nodeOf(flow).forward(flow, hashOf(flow), 'syn', this.#now);
  }

  /** The client ends it and begins another one. */
  #end(i: number): void {
    const flow = this.#flows[i] as number;
    this.#nodeOf(flow).forward(flow, hashOf(flow), 'rst', this.#now);
    this.#flows[i] = (this.#flows[i] as number) + this.#flows.length;
    this.#connect(i);
  }

  #speak(minute: number, set: BackendSet): void {
    const { silent = 0 } = this.#scenario;
    const there = new Set([...set.active, ...set.draining]);
    for (let i = 0; i < this.#flows.length; i++) {
      const isSilent = silent > 0 && minute >= 2 && minute < 24 && mix(i, 77) % 10_000 < silent;
      const flow = this.#flows[i] as number;
      if (!there.has(this.#backends[i] as number)) {
        this.#lost += 1;
        this.#end(i);
      } else if (!isSilent && mix(i, minute + 1) % 10_000 < CHURN) {
        this.#end(i);
      } else if (!isSilent) {
        const backend = this.#nodeOf(flow).forward(flow, hashOf(flow), 'data', this.#now);
        if (backend === this.#backends[i]) continue;
        this.#broken += 1;
        this.#end(i);
      }
    }
  }

  #count(): number {
    return this.#serving.reduce((sum, { entries }) => sum + entries, 0);
  }
}
