/**
 * Connections through histories of changes on two nodes that learn of them at different times, with agents
 * that restart, and are killed in the middle. Throws when a connection moves that must stay.
 */
import type { DesiredBackend, DesiredService } from '../../src/services/desired-state.ts';
import { describeMaps } from '../dataplane/invariants.ts';
import { HZ, type Sent, SimulatedNode, type Tuple } from './simulated-node.ts';

export type BackendStanding = 'active' | 'not ready' | 'terminating' | 'gone';

export type Step =
  | {
      readonly kind: 'change';
      readonly standings: readonly BackendStanding[];
      readonly tableSize: 251 | 1021;
    }
  | { readonly kind: 'learn'; readonly node: 0 | 1; readonly kill?: number }
  | { readonly kind: 'begin'; readonly node: 0 | 1; readonly count: number }
  | { readonly kind: 'end'; readonly node: 0 | 1; readonly count: number; readonly again: boolean }
  | { readonly kind: 'time'; readonly part: number }
  | { readonly kind: 'settle'; readonly node: 0 | 1 }
  | { readonly kind: 'restart'; readonly node: 0 | 1 };

export interface Variant {
  readonly protocol: 'TCP' | 'UDP';
  readonly affinity: boolean;
  /** Room for remembered flows; a small one lets flows go at flips. */
  readonly remembered: number;
}

const VIP = 0x0a010002;
const WINDOW = { tcp: 900_000, udp: 20_000 };

interface Flow {
  readonly tuple: Tuple;
  readonly id: number;
  endpoint: string;
  /** Jiffies of its last packet. */
  spoke: number;
}

export type Hits = Map<string, number>;

export class History {
  readonly #clock = { now: 0xffff_0000 };
  readonly #nodes: readonly [SimulatedNode, SimulatedNode];
  readonly #variant: Variant;
  readonly #hits: Hits;
  /** By node: connections it carries, and what its agent was told last. */
  readonly #flows: [Flow[], Flow[]] = [[], []];
  readonly #known: [DesiredService | undefined, DesiredService | undefined] = [undefined, undefined];
  #desired: DesiredService;
  #next = 1;
  /** Since the last packet a slot may have flipped. */
  #mayFlip = false;

  constructor(variant: Variant, hits: Hits) {
    this.#variant = variant;
    this.#hits = hits;
    const sizes = { remembered: variant.remembered };
    this.#nodes = [new SimulatedNode(this.#clock, sizes), new SimulatedNode(this.#clock, sizes)];
    this.#desired = this.#service(['active', 'active', 'active', 'gone', 'gone', 'gone'], 251);
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#learn(0);
    await this.#learn(1);
    this.#begin(0, 24);
    this.#begin(1, 24);
    for (const step of steps) {
      await this.#step(step);
      this.#speak();
    }
    await this.#quiesce();
  }

  async #step(step: Step): Promise<void> {
    if (step.kind === 'change') this.#desired = this.#service(step.standings, step.tableSize);
    else if (step.kind === 'learn') await this.#learn(step.node, step.kill);
    else if (step.kind === 'begin') this.#begin(step.node, step.count);
    else if (step.kind === 'end') this.#end(step.node, step.count, step.again);
    else if (step.kind === 'time') this.#pass(step.part);
    else if (step.kind === 'settle') await this.#settle(step.node);
    else this.#nodes[step.node].restart();
  }

  async #learn(number: 0 | 1, kill?: number): Promise<void> {
    const node = this.#nodes[number];
    if (kill !== undefined && (await node.applyKilled([this.#desired], kill))) {
      this.#count(`killed before store ${Math.min(kill, 20)}`);
      const flows = this.#flows[number];
      // What is not wanted any more may be gone already, or not yet.
      this.#flows[number] = flows.filter(({ endpoint }) => isThere(this.#desired, endpoint));
      this.#speak();
    }
    // A window that is about to end by the clock is closed by a change.
    this.#mayFlip = true;
    const { waiting } = await node.apply([this.#desired]);
    if (waiting.length > 0) throw new Error(`no room for ${waiting.join()}`);
    this.#known[number] = this.#desired;
  }

  #begin(number: 0 | 1, count: number): void {
    for (let i = 0; i < count; i++) {
      const id = this.#next++;
      this.#connect(number, id, {
        client: 0xc0a80000 + (this.#variant.affinity ? id % 40 : id % 200),
        vip: VIP,
        clientPort: 1024 + id,
        vipPort: 80,
        protocol: this.#variant.protocol === 'TCP' ? 6 : 17,
      });
    }
  }

  #connect(number: 0 | 1, id: number, tuple: Tuple): void {
    const sent = this.#send(number, tuple, 'syn', id);
    if (sent.endpoint === undefined) return;
    if (this.#variant.protocol === 'TCP' && id % 3 === 0) {
      const again = this.#send(number, tuple, 'syn', id);
      if (again.endpoint !== sent.endpoint) throw new Error(`a SYN sent again went to ${again.endpoint}`);
    }
    if (isQuiet(id)) this.#send(number, tuple, 'data', id);
    this.#flows[number].push({ tuple, id, endpoint: sent.endpoint, spoke: this.#clock.now });
  }

  /** again: a new connection with the tuple of the old one. */
  #end(number: 0 | 1, count: number, again: boolean): void {
    for (const { tuple, id } of this.#flows[number].splice(0, count)) {
      this.#send(number, tuple, id % 2 === 0 ? 'rst' : 'fin', id);
      if (again) this.#connect(number, this.#next++, tuple);
    }
  }

  get #window(): number {
    return (WINDOW[this.#variant.protocol === 'TCP' ? 'tcp' : 'udp'] * HZ) / 1000;
  }

  #pass(part: number): void {
    this.#clock.now += Math.floor(part * this.#window);
    this.#mayFlip = true;
  }

  async #settle(number: 0 | 1): Promise<void> {
    const report = await this.#nodes[number].settle();
    this.#mayFlip = true;
    for (const what of ['forgotten', 'flipped', 'cleared', 'closed'] as const) {
      if (report !== undefined && report[what] > 0) this.#count(`settle: ${what}`);
    }
  }

  /** Every connection sends a packet, and must be where it was. */
  #speak(): void {
    for (const number of [0, 1] as const) {
      const known = this.#known[number];
      if (known === undefined) continue;
      const flows = this.#flows[number].filter(({ endpoint }) => isThere(known, endpoint));
      this.#flows[number] = flows.filter((flow) => {
        // Steps take less than half a window, so nobody is silent for a whole one.
        if (isQuiet(flow.id) && this.#clock.now - flow.spoke < this.#window / 2) return true;
        flow.spoke = this.#clock.now;
        const sent = this.#send(number, flow.tuple, 'data', flow.id);
        if (sent.endpoint === flow.endpoint) return true;
        if (this.#mayBeLost(sent, flow)) return false;
        const { id, endpoint } = flow;
        throw new Error(
          `flow ${id} of node ${number} was on ${endpoint}, went to ${sent.endpoint} (${sent.rule})`,
        );
      });
    }
    this.#mayFlip = false;
  }

  /** Without room some are not remembered, and lost when their slot flips; at no other time. */
  #mayBeLost({ rule }: Sent, { id }: Flow): boolean {
    const isRoomy = this.#variant.remembered >= 1000;
    // A change that closes a window and opens the next makes the owners after the flip the oldest ones.
    const ofOldest = ['to the oldest owner', 'not remembered'];
    const isFlip = ['flipped: owner', 'owner is the oldest one', 'hash alone', ...ofOldest].includes(rule);
    if (isRoomy || !isFlip || !(this.#mayFlip || isQuiet(id))) return false;
    this.#count('lost for want of memory');
    return true;
  }

  /** All nodes know the same, all windows end, and nothing of them is left. */
  async #quiesce(): Promise<void> {
    for (const number of [0, 1] as const) await this.#learn(number);
    this.#speak();
    for (let i = 0; i < 10; i++) {
      this.#pass(0.4);
      for (const number of [0, 1] as const) await this.#settle(number);
      this.#speak();
    }
    for (const number of [0, 1] as const) this.#end(number, 10_000, false);
    this.#clock.now += 10_000 * HZ;
    for (const number of [0, 1] as const) {
      const node = this.#nodes[number];
      await this.#settle(number);
      if (node.tracked + node.entries > 0) {
        throw new Error(`node ${number} is left with ${node.tracked} tracked, ${node.entries} remembered`);
      }
    }
    const [one, other] = this.#nodes.map(({ kernel }) => describeMaps(kernel.maps, kernel));
    if (one !== other) throw new Error('nodes that know the same have different tables');
    this.#begin(0, 20);
    this.#flows[1].push(...this.#flows[0].splice(0));
    this.#speak();
  }

  #send(number: 0 | 1, tuple: Tuple, kind: 'syn' | 'data' | 'fin' | 'rst', id: number): Sent {
    const sent = this.#nodes[number].send(tuple, kind, id);
    this.#count(sent.rule);
    return sent;
  }

  #service(standings: readonly BackendStanding[], tableSize: number): DesiredService {
    const isReady = standings.includes('active');
    const backends = standings.flatMap((standing, i): DesiredBackend[] => {
      if (standing === 'gone') return [];
      const about = { address: `10.0.0.${i + 1}`, port: 80 };
      if (standing === 'active') return [{ ...about, weight: 1 + (i % 2), state: 'active' }];
      // As selectBackends does it when no other is ready.
      if (!isReady && standing === 'terminating') {
        return [{ ...about, weight: 1, state: 'active', reason: 'serving while terminating' }];
      }
      return [{ ...about, weight: 0, state: 'draining', reason: standing }];
    });
    return {
      frontend: { vip: '10.1.0.2', port: 80, protocol: this.#variant.protocol },
      namespace: 'test',
      name: 'service',
      type: 'LoadBalancer',
      mode: 'ipip',
      window: WINDOW,
      ...(this.#variant.affinity ? { affinity: { timeout: 900_000 } } : {}),
      tableSize,
      backends,
    };
  }

  #count(what: string): void {
    this.#hits.set(what, (this.#hits.get(what) ?? 0) + 1);
  }
}

/** Connections that speak only twice in a window. */
const isQuiet = (id: number): boolean => id % 4 === 0;

function isThere({ backends }: DesiredService, endpoint: string): boolean {
  return backends.some(({ address, port }) => `${address}:${port}` === endpoint);
}
