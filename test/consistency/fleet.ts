/**
 * Several load balancers that share no state and see slices in different orders, and flows whose packets
 * move between them. What a step does is decided from its seed and the state, so that a history with steps
 * taken out still makes sense.
 */
import type { DesiredService } from '../../src/services/desired-state.ts';
import { Random } from '../differential/random.ts';
import { ip } from '../model/bytes.ts';
import { Protection } from './protection.ts';
import { HZ, SimulatedNode, TIMEOUTS, type Tuple } from './simulated-node.ts';
import {
  changeSlices,
  desiredBy,
  type FleetVariant,
  firstSlices,
  isInSomeSlice,
  newest,
  PORT,
  SLICES,
  type SliceName,
  type SliceVersions,
  VIP,
  type View,
  WINDOW,
} from './slices.ts';

export type FleetStepKind =
  | 'change'
  | 'see'
  | 'begin'
  | 'move'
  | 'speak'
  | 'end'
  | 'time'
  | 'settle'
  | 'restart'
  | 'replace';

export interface FleetStep {
  readonly kind: FleetStepKind;
  readonly seed: number;
}

export type FleetHits = Map<string, number>;

/** A flow moved that must not, or nodes that know the same differ. */
export class FleetError extends Error {}

interface Member {
  node: SimulatedNode;
  readonly view: View;
  /** In which the node came to know the slices. */
  readonly order: SliceName[];
  desired: DesiredService;
}

interface Flow {
  readonly tuple: Tuple;
  readonly id: number;
  readonly endpoint: string;
  /** Which node has its packets. */
  at: number;
  readonly protections: readonly Protection[];
}

/** The agent takes a window for over a second early. */
const SLACK = 2 * HZ;
const jiffies = (ms: number): number => (ms * HZ) / 1000;
const RANDOM_STEPS: ReadonlyArray<readonly [number, FleetStepKind]> = [
  [7, 'change'],
  [12, 'see'],
  [6, 'begin'],
  [8, 'move'],
  [4, 'speak'],
  [2, 'end'],
  [5, 'time'],
  [4, 'settle'],
  [1, 'restart'],
  [1, 'replace'],
];

export const randomFleetHistory = (random: Random, length: number): FleetStep[] =>
  Array.from({ length }, () => ({ kind: random.weighted(RANDOM_STEPS), seed: random.next() }));

export class Fleet {
  readonly #clock = { now: 0xffff_0000 };
  readonly #variant: FleetVariant;
  readonly #hits: FleetHits;
  readonly #slices: SliceVersions;
  readonly #members: Member[];
  #flows: Flow[] = [];
  #next = 1;

  constructor(variant: FleetVariant, nodes: number, hits: FleetHits) {
    this.#variant = variant;
    this.#hits = hits;
    this.#slices = firstSlices(variant);
    this.#members = Array.from({ length: nodes }, (_, i) => {
      // Lists come in any order.
      const order = [...SLICES.slice(i % 3), ...SLICES.slice(0, i % 3)];
      const view = newest(this.#slices);
      return { node: this.#newNode(), view, order, desired: desiredBy(view, order, this.#slices, variant) };
    });
  }

  /** Every node knows the first slices. */
  async start(): Promise<void> {
    for (const number of this.#members.keys()) await this.#apply(number);
    for (const number of this.#members.keys()) this.#begin(number, 4);
  }

  async step({ kind, seed }: FleetStep): Promise<void> {
    const random = new Random(seed);
    const number = random.below(this.#members.length);
    const member = this.#members[number] as Member;
    if (kind === 'change') changeSlices(random, this.#slices, this.#variant);
    else if (kind === 'see') await this.#see(random, number);
    else if (kind === 'begin') this.#begin(number, 4);
    else if (kind === 'move') this.#move(random, number);
    else if (kind === 'speak') this.#speak(random.chance(0.5) ? number : undefined);
    else if (kind === 'end') this.#end(random);
    else if (kind === 'time') this.#pass(random);
    else if (kind === 'settle') await this.#settle(number);
    else if (kind === 'restart') member.node.restart();
    else await this.#replace(number);
  }

  /** All have seen everything: nodes without shared state must be of one mind. */
  async end(): Promise<void> {
    for (const number of this.#members.keys()) await this.#see(new Random(number), number, true);
    this.#expectSameOwners();
    this.#speak();
    this.#expectSamePlaces();
  }

  #newNode(): SimulatedNode {
    const sizes = { services: 8, counted: 4, lines: 96, backends: 64, nextHops: 64, remembered: 4096 };
    return new SimulatedNode(this.#clock, sizes, { watched: false });
  }

  async #apply(number: number): Promise<void> {
    const member = this.#members[number] as Member;
    member.desired = desiredBy(member.view, member.order, this.#slices, this.#variant);
    const { waiting } = await member.node.apply([member.desired]);
    if (waiting.length > 0) throw new FleetError(`no room for ${waiting.join()}`);
    this.#look(number);
  }

  /** The next version of a slice, or the newest: an agent that was busy sees no others. */
  async #see(random: Random, number: number, everything = false): Promise<void> {
    const { view } = this.#members[number] as Member;
    const last = newest(this.#slices);
    const late = SLICES.filter((name) => view[name] < last[name]);
    if (late.length === 0) return;
    const name = random.pick(late);
    if (everything) Object.assign(view, last);
    else view[name] = random.chance(0.5) ? view[name] + 1 : last[name];
    await this.#apply(number);
  }

  #begin(number: number, count: number): void {
    const { node } = this.#members[number] as Member;
    for (let i = 0; i < count; i += 1) {
      const id = this.#next++;
      const tuple = this.#tuple(id);
      const begun = node.send(tuple, 'syn', id);
      this.#count(`began: ${begun.rule}`);
      if (begun.endpoint === undefined) continue;
      this.#expectTaking(number, begun.endpoint);
      const window = jiffies(this.#variant.protocol === 'TCP' ? WINDOW.tcp : WINDOW.udp) - SLACK;
      const idle = TIMEOUTS[this.#variant.protocol === 'TCP' ? 'FLOW_ESTABLISHED' : 'FLOW_UDP'] - SLACK;
      const { endpoint } = begun;
      const protections = this.#members.map(() => new Protection(endpoint, { window, idle }));
      const flow: Flow = { tuple, id, endpoint, at: number, protections };
      (protections[number] as Protection).arrived(this.#clock.now);
      for (const other of this.#members.keys()) this.#lookAt(flow, other);
      if (this.#send(flow)) this.#flows.push(flow);
    }
  }

  #tuple(id: number): Tuple {
    return {
      client: 0xc0a80000 + (this.#variant.affinity ? id % 5 : id % 200),
      vip: ip(VIP),
      clientPort: 1024 + (id % 60_000),
      vipPort: PORT,
      protocol: this.#variant.protocol === 'TCP' ? 6 : 17,
    };
  }

  /** A connection never begins with a backend that takes none. */
  #expectTaking(number: number, endpoint: string): void {
    // UDP has no beginning that can be seen.
    if (this.#variant.protocol === 'UDP') return;
    const { backends } = (this.#members[number] as Member).desired;
    const backend = backends.find(({ address, port }) => `${address}:${port}` === endpoint);
    if (backend?.state === 'active') return;
    // Without affinity a connection for which there is memory begins with the live owner, which is active.
    throw new FleetError(
      `node ${number} began a connection on ${endpoint}, which is ${backend?.state ?? 'gone'}`,
    );
  }

  /** Some flows, or all of a node's, come to another node. */
  #move(random: Random, number: number): void {
    const isWhole = random.chance(0.3);
    const moving = this.#flows.filter(() => isWhole || random.chance(0.4));
    for (const flow of moving) {
      flow.at = number;
      if (!this.#send(flow, 'moved')) this.#flows = this.#flows.filter((other) => other !== flow);
    }
  }

  #speak(number?: number): void {
    const speaking = this.#flows.filter(({ at }) => number === undefined || at === number);
    const lost = new Set(speaking.filter((flow) => !this.#send(flow)));
    this.#flows = this.#flows.filter((flow) => !lost.has(flow));
  }

  /** False: it went elsewhere, which nobody promised that it would not. */
  #send(flow: Flow, how: 'stayed' | 'moved' = 'stayed'): boolean {
    const { node } = this.#members[flow.at] as Member;
    const protection = flow.protections[flow.at] as Protection;
    const isHeld = protection.holds(this.#clock.now);
    const { endpoint, rule } = node.send(flow.tuple, 'data', flow.id);
    const isKept = endpoint === flow.endpoint;
    this.#count(`${how}: ${rule}`);
    this.#count(`${how}, ${isHeld ? 'protected' : 'not protected'}: ${isKept ? 'kept' : 'lost'}`);
    if (isKept) protection.arrived(this.#clock.now);
    else if (isHeld) {
      throw new FleetError(
        `flow ${flow.id} was on ${flow.endpoint}, went to ${endpoint} at node ${flow.at} (${rule})`,
      );
    }
    return isKept;
  }

  #end(random: Random): void {
    for (const { at, tuple, id } of this.#flows.splice(0, 1 + random.below(6))) {
      (this.#members[at] as Member).node.send(tuple, random.chance(0.5) ? 'fin' : 'rst', id);
    }
  }

  #pass(random: Random): void {
    const window = jiffies(this.#variant.protocol === 'TCP' ? WINDOW.tcp : WINDOW.udp);
    this.#clock.now += Math.floor(window * random.pick([0.05, 0.3, 0.3, 0.6, 1.1]));
  }

  async #settle(number: number): Promise<void> {
    const report = await (this.#members[number] as Member).node.settle();
    for (const what of ['forgotten', 'flipped', 'cleared', 'closed'] as const) {
      if (report !== undefined && report[what] > 0) this.#count(`settle: ${what}`);
    }
    this.#look(number);
  }

  /** The node is made anew, without tables. */
  async #replace(number: number): Promise<void> {
    (this.#members[number] as Member).node = this.#newNode();
    for (const { protections } of this.#flows) protections[number]?.end();
    await this.#apply(number);
    this.#count('replaced');
  }

  #look(number: number): void {
    for (const flow of this.#flows) this.#lookAt(flow, number);
  }

  #lookAt(flow: Flow, number: number): void {
    const { node, view } = this.#members[number] as Member;
    const isThere = isInSomeSlice(view, this.#slices, flow.endpoint);
    (flow.protections[number] as Protection).look(node.slotOf(flow.tuple), isThere, this.#clock.now);
  }

  #expectSameOwners(): void {
    const [one = '', ...others] = this.#members.map(({ node }) => node.ownersOf(this.#tuple(0)).join());
    if (others.some((other) => other !== one))
      throw new FleetError('nodes that know the same have different owners');
  }

  /** New flows, and packets of flows that nobody has seen. */
  #expectSamePlaces(): void {
    for (let i = 0; i < 12; i += 1) {
      const id = this.#next++;
      const tuple = this.#tuple(id);
      const isTracked = this.#members.some(({ node }) => node.slotOf(tuple).isTracked);
      const kind = i % 2 === 0 ? 'data' : 'syn';
      // In a tracked slot a client's memory, and what was there before, differ from node to node.
      if (isTracked && (kind === 'data' || this.#variant.affinity || this.#variant.protocol === 'UDP'))
        continue;
      const places = new Set(this.#members.map(({ node }) => node.send(tuple, kind, id).endpoint));
      this.#count(`same place: ${isTracked ? 'tracked' : 'hash alone'}, ${kind}`);
      if (places.size > 1) throw new FleetError(`flow ${id} (${kind}) goes to ${[...places].join(' or ')}`);
    }
  }

  #count(what: string): void {
    this.#hits.set(what, (this.#hits.get(what) ?? 0) + 1);
  }
}
