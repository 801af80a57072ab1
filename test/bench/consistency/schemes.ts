/** Three ways for a node to find a flow's backend. Each node has a state of its own and shares nothing. */
import { NOBODY, OWNER, planWindow, TRACKED } from '../../../src/consistency/plan-window.ts';
import { ageOf, slotsToClear, slotsToFlip, whyForget } from '../../../src/consistency/settle-window.ts';
import type { FlowState } from '../../model/state.ts';
import { chooseTracked, type FlowName, type RememberedFlow } from '../../model/tracked.ts';
import type { BackendSet, TableOf } from './backend-set.ts';

/** Jiffies a second in the simulation. */
export const HZ = 100;

export type PacketKind = 'syn' | 'data' | 'rst';

export interface SimulatedNode {
  /** The node learns of a change; the first one is its start. */
  change(backends: BackendSet, now: number): void;
  /** Number of the backend that a packet of the flow goes to. */
  forward(flow: number, hash: number, kind: PacketKind, now: number): number;
  /** Once a minute: what the agent does about old windows. */
  settle(now: number): void;
  /** Entries for flows. */
  readonly entries: number;
  /** Share of slots that cost a look at the entries. */
  readonly tracked: number;
}

export interface NodeSettings {
  readonly slots: number;
  readonly tableOf: TableOf;
  /** The hash of a flow, for the walk over what is remembered. */
  readonly hashOf: (flow: number) => number;
  /** Seconds. */
  readonly window: number;
  readonly rememberedFlows: number;
  readonly rememberPerMinute: number;
}

export const SCHEMES = {
  'pure Maglev': (settings: NodeSettings): SimulatedNode => new PureMaglev(settings),
  'Maglev and a full flow table': (settings: NodeSettings): SimulatedNode => new FlowTable(settings),
  'hash first': (settings: NodeSettings): SimulatedNode => new HashFirst(settings),
} as const;
export type SchemeName = keyof typeof SCHEMES;

const slotAt = (hash: number, slots: number): number => Math.floor((hash * slots) / 2 ** 32);

class PureMaglev implements SimulatedNode {
  readonly tracked = 0;
  readonly settings: NodeSettings;
  table: Uint16Array = new Uint16Array();

  constructor(settings: NodeSettings) {
    this.settings = settings;
  }

  change({ active }: BackendSet, _now: number): void {
    this.table = this.settings.tableOf(active, this.settings.slots);
  }

  forward(_flow: number, hash: number, _kind: PacketKind, _now: number): number {
    return this.table[slotAt(hash, this.table.length)] as number;
  }

  get entries(): number {
    return 0;
  }

  settle(_now: number): void {}
}

/** An entry for every flow, with room for all of them; one whose backend is gone counts as none. */
class FlowTable extends PureMaglev {
  readonly #flows = new Map<number, number>();
  #there: ReadonlySet<number> = new Set();

  override change(backends: BackendSet, now: number): void {
    super.change(backends, now);
    this.#there = new Set([...backends.active, ...backends.draining]);
  }

  override forward(flow: number, hash: number, kind: PacketKind, now: number): number {
    const known = kind === 'syn' ? undefined : this.#flows.get(flow);
    const backend =
      known !== undefined && this.#there.has(known) ? known : super.forward(flow, hash, kind, now);
    if (kind === 'rst') this.#flows.delete(flow);
    else if (backend !== known) this.#flows.set(flow, backend);
    return backend;
  }

  override get entries(): number {
    return this.#flows.size;
  }
}

const TIMEOUT = {
  FLOW_SYN: 10 * HZ,
  FLOW_ESTABLISHED: 3600 * HZ,
  FLOW_FIN_CLIENT: 120 * HZ,
  FLOW_CLOSED: 60 * HZ,
} as Record<FlowState, number>;

/** The product's planner and window code, and for packets the model of docs/consistency.md. */
class HashFirst implements SimulatedNode {
  readonly #settings: NodeSettings;
  readonly #remembered = new Map<FlowName, RememberedFlow>();
  /** By number of the backend; none: it is gone. */
  #states = new Map<number, string>();
  #live: Uint16Array = new Uint16Array();
  #oldest: Uint16Array | undefined;
  #changedAt = new Uint32Array();
  #windowStart = 0;
  #tokens = 0;
  #now = 0;

  constructor(settings: NodeSettings) {
    this.#settings = settings;
    this.#tokens = settings.rememberPerMinute;
  }

  change(backends: BackendSet, now: number): void {
    const { tableOf, slots, window } = this.#settings;
    if (now - this.#windowStart > window * HZ) this.#oldest = undefined;
    this.#states = new Map([
      ...backends.active.map((backend) => [backend, 'BACKEND_ACTIVE'] as const),
      ...backends.draining.map((backend) => [backend, 'BACKEND_DRAINING'] as const),
    ]);
    const rename = (word: number): number => (this.#states.has(word & OWNER) ? word : word | NOBODY);
    const plan = planWindow({
      live: this.#live.length === 0 ? undefined : this.#live.map(rename),
      oldest: this.#oldest?.map(rename),
      next: tableOf(backends.active, slots),
    });
    if (this.#changedAt.length === 0) this.#changedAt = new Uint32Array(slots);
    plan.moved.forEach((moved, slot) => {
      if (moved === 1) this.#changedAt[slot] = now;
    });
    this.#live = plan.slots;
    this.#oldest = plan.oldest;
    if (plan.isOpened) this.#windowStart = now;
  }

  forward(flow: number, hash: number, kind: PacketKind, now: number): number {
    const word = this.#live[slotAt(hash, this.#live.length)] as number;
    if ((word & TRACKED) === 0) return word;
    this.#now = now;
    const packet = {
      hash,
      flow,
      client: '',
      protocol: 'TCP',
      syn: kind === 'syn',
      fin: false,
      rst: kind === 'rst',
      sequence: 0,
    } as const;
    const service = {
      hasAffinity: false,
      table: { slots: this.#live, block: 0 },
      oldest: this.#oldest === undefined ? undefined : { slots: this.#oldest, block: 0 },
      windowStart: this.#windowStart,
      window: this.#settings.window * HZ,
    };
    return chooseTracked(this.#world, service, packet).backend as number;
  }

  settle(now: number): void {
    this.#tokens = this.#settings.rememberPerMinute;
    const window = this.#settings.window * HZ;
    if (this.#oldest !== undefined && now - this.#windowStart > window) this.#oldest = undefined;
    const oldest = this.#oldest;
    for (const slot of slotsToFlip({ live: this.#live, oldest }, this.#changedAt, now, window)) {
      (oldest as Uint16Array)[slot] = (this.#live[slot] as number) & OWNER;
    }
    const isSettled = (slot: number): boolean =>
      oldest === undefined || oldest[slot] === ((this.#live[slot] as number) & OWNER);
    const used = this.#forget(now, isSettled);
    const clear = slotsToClear(this.#live, isSettled, (slot) => used[slot] === 1);
    for (const slot of clear) this.#live[slot] = (this.#live[slot] as number) & OWNER;
  }

  get entries(): number {
    return this.#remembered.size;
  }

  get tracked(): number {
    return this.#live.reduce((sum, word) => sum + (word >>> 15), 0) / this.#live.length;
  }

  #forget(now: number, isSettled: (slot: number) => boolean): Uint8Array {
    const used = new Uint8Array(this.#live.length);
    for (const [flow, { backend, state, seen }] of this.#remembered) {
      const slot = slotAt(this.#settings.hashOf(flow as number), used.length);
      const owner = this.#states.has(backend) ? backend : undefined;
      const entry = { slot, owner, idle: ageOf(now, seen), timeout: TIMEOUT[state] };
      if (whyForget(entry, this.#live, isSettled) === undefined) used[slot] = 1;
      else this.#remembered.delete(flow);
    }
    return used;
  }

  readonly #world = this.#makeWorld();

  #makeWorld() {
    const node = this;
    return {
      get now() {
        return node.#now;
      },
      hz: HZ,
      timeout: TIMEOUT,
      remembered: this.#remembered,
      get capacity() {
        return node.#settings.rememberedFlows;
      },
      backend: (index: number) => {
        const state = node.#states.get(index);
        return state === undefined ? undefined : { generation: 0, state };
      },
      takeToken: () => node.#tokens-- > 0,
    };
  }
}
