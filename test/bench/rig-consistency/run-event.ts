/** One scenario with real connections: steps of the script by the clock, then what broke. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failure } from '../../rig/load/counters.ts';
import { streamLoad } from '../../rig/load.ts';
import {
  CLIENT,
  clientAddress,
  type LbName,
  PORT,
  type PodService,
  podAddress,
  putPodService,
  ROUTER,
  routeOver,
} from '../../rig/many-pods.ts';
import type { Rig } from '../../rig/rig.ts';
import type { BackendSet } from '../consistency/backend-set.ts';
import type { Scenario } from '../consistency/scenarios.ts';
import type { RigScheme } from './schemes.ts';

export interface RigSettings {
  readonly connections: number;
  readonly slots: number;
  /** Milliseconds that stand for a minute of the script. */
  readonly step: number;
}

export interface RigResult {
  /** All connections that came up. */
  readonly begun: number;
  /** Connections that broke though their backend was there. */
  readonly broken: number;
  /** Of these, begun after the first change. */
  readonly brokenYoung: number;
  /** Connections whose backend went. */
  readonly lost: number;
  /** Connections that never came up. */
  readonly refused: number;
  /** Wrong answers and the like, by message: of what is broken. */
  readonly errors: Readonly<Record<string, number>>;
}

/** A connection lives for so many steps on average, and speaks once a step: 1 % of them end in a step. */
const LIFE_STEPS = 100;
const LBS: readonly LbName[] = ['lb1', 'lb2', 'lb3'];

export class RigRun {
  readonly #rig: Rig;
  readonly #scheme: RigScheme;
  readonly #settings: RigSettings;
  readonly #started = new Set<LbName>();
  #events = 0;

  constructor(rig: Rig, scheme: RigScheme, settings: RigSettings) {
    this.#rig = rig;
    this.#scheme = scheme;
    this.#settings = settings;
  }

  /** A service, and clients, of its own for each event: what was before is in nobody's way. */
  async run(scenario: Scenario): Promise<RigResult> {
    const { connections, slots, step } = this.#settings;
    const number = this.#events++;
    const vip = `10.1.0.${10 + number}`;
    const service = ({ active, draining }: BackendSet): PodService => {
      return { name: `event-${number}`, vip, slots, active, terminating: draining };
    };
    let set: BackendSet = {
      active: Array.from({ length: scenario.backends }, (_, n) => n),
      draining: [],
    };
    this.#change(service(set));
    await this.#serve(scenario.nodes);
    await this.#scheme.settled(service(set));
    const load = await streamLoad(this.#rig, CLIENT, {
      ...{ host: vip, port: PORT, from: clientAddress(number) },
      ...{ connections, chunk: 500, pause: step, patience: 20_000, life: LIFE_STEPS * step },
    });
    await load.until('nearly all connections', ({ open }) => open >= 0.98 * connections);
    const gone = new Map<string, number>();
    const from = Date.now();
    let changed = Number.POSITIVE_INFINITY;
    for (let minute = 0; minute < scenario.minutes; minute++) {
      await sleep(Math.max(0, from + minute * step - Date.now()));
      const { backends, nodes } = scenario.script[minute] ?? {};
      if (backends !== undefined || nodes !== undefined) changed = Math.min(changed, Date.now());
      if (backends !== undefined) {
        for (const pod of removed(set, backends)) gone.set(podAddress(pod), Date.now());
        set = backends;
        this.#change(service(set));
      }
      if (nodes !== undefined) await this.#serve(nodes);
    }
    // What fell silent is to be noticed, and what was not acted on in time to be told.
    await this.#scheme.settled(service(set));
    await sleep(2 * step);
    const { begun, broken, refused } = await load.stop();
    return { begun, refused: refused.length, ...judge(broken, gone, changed) };
  }

  #change(service: PodService): void {
    putPodService(this.#rig, service);
    this.#scheme.change(service);
  }

  /** Nodes by number. One that goes loses its link; one that comes back has kept its tables. */
  async #serve(numbers: readonly number[]): Promise<void> {
    const lbs = numbers.map((number) => LBS[number] as LbName);
    for (const lb of lbs) {
      await this.#setLink(lb, 'up');
      if (!this.#started.has(lb)) await this.#scheme.start(lb);
      this.#started.add(lb);
    }
    await routeOver(this.#rig, lbs);
    for (const lb of LBS) if (!lbs.includes(lb)) await this.#setLink(lb, 'down');
  }

  async #setLink(lb: LbName, state: 'up' | 'down'): Promise<void> {
    await this.#rig.exec(ROUTER, ['ip', 'link', 'set', lb, state]);
  }
}

function removed(before: BackendSet, after: BackendSet): number[] {
  const there = new Set([...after.active, ...after.draining]);
  return [...before.active, ...before.draining].filter((pod) => !there.has(pod));
}

function judge(failures: readonly Failure[], gone: ReadonlyMap<string, number>, changed: number) {
  const isLost = ({ at, pod = '' }: Failure) => at >= (gone.get(pod) ?? Number.POSITIVE_INFINITY);
  const broken = failures.filter((failure) => !isLost(failure));
  const errors: Record<string, number> = {};
  for (const { error } of broken) errors[error] = (errors[error] ?? 0) + 1;
  return {
    broken: broken.length,
    brokenYoung: broken.filter(({ began = 0 }) => began >= changed).length,
    lost: failures.length - broken.length,
    errors,
  };
}
