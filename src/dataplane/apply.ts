/** Brings the maps to the desired state, whatever they held, in an order that packets can bear. */
import type { Kernel } from '../kernel/kernel.ts';
import type { IpAddress } from '../net/address.ts';
import type { DesiredService, Problem } from '../services/desired-state.ts';
import { runInSlices } from '../slices/run-in-slices.ts';
import { type ActualService, type ActualState, readActualState } from './actual-state.ts';
import { FrontendIndex } from './frontend-index.ts';
import { type FrontendKey, formatKey, keyNumber } from './frontend-key.ts';
import { describeLacks, describeUnrouted } from './lack-problems.ts';
import { LastWish } from './last-wish.ts';
import type { DataplaneMaps } from './maps.ts';
import type { JiffiesClock } from './next-hop-table.ts';
import { isElsewhere, type Plan, planChanges, planDifference } from './plan.ts';
import { foldLeftovers } from './retired-traffic.ts';
import { Retirement, retireLeftovers } from './retirement.ts';
import { Room } from './room.ts';
import { type SettleContext, type SettleReport, settleWindows } from './settle-windows.ts';
import { countingStores, type Stores } from './stores.ts';
import { endWindow } from './track-change.ts';
import { addVip, type Lack, type UpsertContext, upsertService } from './upsert-service.ts';

export interface ApplyReport {
  /** Writes to the maps; 0 when they were as desired. */
  readonly stores: number;
  readonly created: number;
  readonly changed: number;
  readonly removed: number;
  readonly unchanged: number;
  /** Services that could not be brought to the desired state; they are as they were. */
  readonly waiting: readonly string[];
  readonly problems: readonly Problem[];
}

export interface ApplyScope {
  /** Addresses that are answered like a VIP in use: those of the VIP device. */
  readonly ownAddresses: readonly IpAddress[];
  /** Take out services that are not desired. */
  readonly deletions: boolean;
  /** Compare every service, also those whose wish is the one of the last time. */
  readonly everything?: boolean;
}

export interface ApplierOptions {
  readonly kernel: Pick<Kernel, 'entries' | 'batches' | 'buildMaglevTable' | 'gracePeriod'>;
  readonly maps: DataplaneMaps;
  readonly stores: Stores;
  readonly agentNextHops: number;
  /** The network part of the outer IPv4 source in DSR, a natural number; default 0. */
  readonly outerSource?: number;
  readonly clock: JiffiesClock;
  /** Milliseconds that stores may go on before other work gets a turn; default 10. */
  readonly slice?: number;
}

/** What of the configuration decides when a remembered flow is forgotten. */
export type SettleFacts = Pick<SettleContext, 'hash' | 'timeouts'>;

/** What the maps hold, as this process knows it: read once, kept in step with each store. */
interface Mirror {
  readonly services: Map<number | bigint, ActualService>;
  readonly room: Room;
  readonly index: FrontendIndex;
  /** What was applied last, if nothing was left to do. */
  wish?: LastWish;
}

export class Applier {
  readonly #options: ApplierOptions;
  #mirror: Mirror | undefined;

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /**
   * Not to be called before the last call has ended. When it throws, what the maps hold is read anew by
   * the next call.
   */
  async apply(desired: readonly DesiredService[], scope: ApplyScope): Promise<ApplyReport> {
    const stores = countingStores(this.#options.stores);
    return this.#withMirror(stores, async (mirror) => {
      const plan = await runInSlices(this.#plan(mirror, desired, scope), this.#options.slice);
      const wish = mirror.wish;
      delete mirror.wish;
      const report = await this.#converge(mirror, stores, scope.deletions ? plan : { ...plan, removed: [] });
      // Whoever waits for room is found by a look at everything.
      if (report.problems.length === 0) mirror.wish = wish ?? (await LastWish.of(desired, scope));
      return { ...report, unchanged: desired.length - plan.changes.length, stores: stores.count };
    });
  }

  /** Compares with the last wish if all of it is in the maps, else with everything that is there. */
  *#plan(mirror: Mirror, desired: readonly DesiredService[], scope: ApplyScope): Generator<void, Plan> {
    const { outerSource = 0 } = this.#options;
    const { services, wish } = mirror;
    const difference = scope.everything === true ? undefined : wish?.difference(desired, scope);
    if (wish === undefined || difference === undefined) {
      delete mirror.wish;
      return yield* planChanges(desired, { ownAddresses: scope.ownAddresses, outerSource }, services);
    }
    wish.follow(desired, difference);
    const isVipUsed = (vip: IpAddress): boolean => wish.isVipUsed(vip);
    return yield* planDifference(difference, { isVipUsed, outerSource }, services);
  }

  /** Services in the maps, and the entries for VIPs; once they were read. */
  get services(): ReadonlyMap<number | bigint, ActualService> | undefined {
    return this.#mirror?.services;
  }

  /** How many they are without the entries for VIPs; not during an apply. */
  get serviceCount(): number | undefined {
    return this.#mirror?.room.services.used;
  }

  /** Ends entries of outgrown blocks that no flow needs any more; how many. */
  async releaseFormer(findNamed: () => (index: number, generation: number) => boolean): Promise<number> {
    const former = [...(this.#mirror?.services.values() ?? [])].filter(
      (service) => service.former.length > 0,
    );
    if (former.length === 0) return 0;
    const { stores } = this.#options;
    return this.#withMirror(stores, async (mirror) => {
      // A packet that began before the switch may still be about to write a record.
      await this.#options.kernel.gracePeriod();
      const isNamed = findNamed();
      const retirement = new Retirement();
      let released = 0;
      for (const service of former) {
        // The next apply builds that table anew.
        if (isElsewhere(service)) continue;
        for (const entry of service.former) {
          if (isNamed(entry.index, entry.generation)) continue;
          retirement.entry(entry, service);
          released += 1;
        }
      }
      await retirement.run(this.#context(mirror, stores));
      return released;
    });
  }

  /** Lets windows end, and forgets what they needed; undefined before the first apply. */
  async settle(facts: SettleFacts): Promise<SettleReport | undefined> {
    if (this.#mirror === undefined) return undefined;
    const { stores, kernel, slice = 10 } = this.#options;
    return this.#withMirror(stores, (mirror) => {
      const { services } = mirror;
      return settleWindows({ ...this.#context(mirror, stores), ...facts, kernel, services, slice });
    });
  }

  /** After an error nobody knows which stores were made: the maps are read again. */
  async #withMirror<T>(stores: Stores, work: (mirror: Mirror) => Promise<T>): Promise<T> {
    try {
      this.#mirror ??= await this.#readMirror(stores);
      return await work(this.#mirror);
    } catch (error) {
      this.#mirror = undefined;
      throw error;
    }
  }

  /** Reads everything back and finishes what a killed agent left half done. */
  async #readMirror(stores: Stores): Promise<Mirror> {
    const { kernel } = this.#options;
    // Packets that began before a killed agent's last store must not meet a place that is used again.
    await kernel.gracePeriod();
    const { mirror, actual } = await runInSlices(this.#takeOver(stores), this.#options.slice);
    await retireLeftovers(actual).run(this.#context(mirror, stores));
    mirror.room.nextHops.sweep(stores);
    return mirror;
  }

  /** Nobody else writes the maps until it has ended. */
  *#takeOver(stores: Stores): Generator<void, { mirror: Mirror; actual: ActualState }> {
    const { kernel, maps, agentNextHops, clock } = this.#options;
    const actual = yield* readActualState(maps, kernel);
    const index = new FrontendIndex(maps, actual.references);
    for (const reference of actual.dangling) index.clear(stores, reference);
    yield* index.setFlags(stores);
    const room = new Room(maps, actual, { agentNextHops }, clock);
    yield* room.reserve(actual);
    const mirror = { services: actual.services, room, index };
    for (const service of [...actual.services.values(), ...actual.unreferenced]) {
      if (service.window.damaged === true) endWindow({ maps, stores }, service);
    }
    for (const range of actual.strayRanges) room.sources.remove(stores, range);
    yield* foldLeftovers(this.#context(mirror, stores));
    return { mirror, actual };
  }

  async #converge(
    mirror: Mirror,
    stores: Stores,
    plan: Plan,
  ): Promise<Omit<ApplyReport, 'stores' | 'unchanged'>> {
    for (const { actual, desired: wish } of plan.settled) actual.settled = wish;
    const created = plan.changes.filter(({ actual }) => actual === undefined).length;
    const lacks = new Map<string, Lack>();
    let changes = plan.changes;
    let vips = plan.newVips;
    let removed = plan.removed;
    let waiting = Number.POSITIVE_INFINITY;
    // Room that one pass gives back is used by those that had to wait, in the next one.
    for (;;) {
      lacks.clear();
      const retirement = new Retirement();
      const context = { ...this.#context(mirror, stores), index: mirror.index, retirement };
      const upsert: UpsertContext = { ...context, services: mirror.services, buildMaglevTable: this.#build };
      vips = await this.#unlessLacking(vips, lacks, (key) => [key, addVip(upsert, key)]);
      changes = await this.#unlessLacking(changes, lacks, (change) => [
        change.key,
        upsertService(upsert, change),
      ]);
      for (const service of removed) {
        mirror.index.withdraw(stores, service.key, service.index);
        mirror.services.delete(keyNumber(service.key));
        retirement.service(service);
      }
      removed = [];
      const freed = !retirement.isEmpty;
      await retirement.run(context);
      const stillWaiting = changes.length + vips.length;
      if (stillWaiting === 0 || !freed || stillWaiting >= waiting) break;
      waiting = stillWaiting;
    }
    return {
      created: created - changes.filter(({ actual }) => actual === undefined).length,
      changed: plan.changes.length - created - changes.filter(({ actual }) => actual !== undefined).length,
      removed: plan.removed.length,
      waiting: [...lacks.keys()],
      problems: [...describeLacks(lacks, mirror.room), ...describeUnrouted(mirror.services, mirror.room)],
    };
  }

  /** Does them one by one, and returns those for which there was no room. */
  #unlessLacking<T>(
    list: readonly T[],
    lacks: Map<string, Lack>,
    work: (one: T) => [FrontendKey, Lack | undefined],
  ): Promise<T[]> {
    const steps = function* (): Generator<void, T[]> {
      const waiting: T[] = [];
      for (const one of list) {
        const [key, lack] = work(one);
        if (lack !== undefined) {
          lacks.set(formatKey(key), lack);
          waiting.push(one);
        }
        yield;
      }
      return waiting;
    };
    return runInSlices(steps(), this.#options.slice);
  }

  readonly #build: Kernel['buildMaglevTable'] = (slots, hashes, quotas) =>
    this.#options.kernel.buildMaglevTable(slots, hashes, quotas);

  #context(mirror: Mirror, stores: Stores) {
    const { maps, kernel, clock, slice } = this.#options;
    const gracePeriod = () => kernel.gracePeriod();
    return { maps, stores, room: mirror.room, clock, gracePeriod, slice };
  }
}
