/**
 * Writes to the cluster what the agents know of its Services: addresses from the pools, and Events. Runs in
 * every agent, and acts in the one that leads. Whatever happens here, maps and announcements stay.
 */
import type { Logger } from 'pino';
import type { AddressPool, ControllerConfig } from '../config/config.ts';
import { ApiFailure, failureOfError } from '../kubernetes/api-failure.ts';
import type { Prefix } from '../net/prefix.ts';
import { LevelTrigger } from '../node/level-trigger.ts';
import type { Timers } from '../node/timers.ts';
import type { Problem } from '../services/desired-state.ts';
import { runInSlices } from '../slices/run-in-slices.ts';
import type { Service } from '../sources/kube-objects.ts';
import type { Source } from '../sources/source.ts';
import type { PoolUse } from './address-pools.ts';
import { type Allocation, type Assignment, allocateInPieces } from './allocate.ts';
import { type ClusterWrites, wholeSeconds } from './cluster-writes.ts';
import { controllerProblems } from './controller-problems.ts';
import { EventBook, type Notice } from './event-book.ts';
import type { Leader, LeaderState } from './leader.ts';
import { NewestServices } from './newest.ts';
import { noticeOfChange, noticesOfAssignments, noticesOfProblems } from './notices.ts';
import { releasePatch, type StatusPatch, statusPatch } from './service-status.ts';
import { keyOf } from './wishes.ts';

export interface ControllerSettings {
  readonly pools: readonly AddressPool[];
  /** Of the VIPs. */
  readonly ranges: readonly Prefix[];
  readonly withoutClass: boolean;
}

export interface ControllerOptions {
  readonly writes: ClusterWrites;
  /** The Lease as people name it. */
  readonly lease: ControllerConfig['lease'];
  readonly makeLeader: (onChange: (leads: boolean) => void) => Leader;
  readonly source: Pick<Source, 'snapshot'>;
  /** None: all. */
  readonly namespaces: readonly string[];
  /** What is wrong with Services, as the agent sees it. */
  readonly problems: () => readonly Problem[];
  readonly timers: Timers;
  readonly log: Logger;
}

/** What the status shows. */
export interface ControllerState {
  readonly leader: LeaderState;
  readonly pools: readonly PoolUse[];
  /** Services that have not the addresses they ask for. */
  readonly waiting: number;
  /** Requests that changed something, since the start. */
  readonly writes: { readonly status: number; readonly events: number; readonly failed: number };
  readonly problems: readonly Problem[];
}

interface Decided {
  readonly services: readonly Service[];
  readonly settings: ControllerSettings;
  readonly allocation: Allocation;
}

const TICK_MS = 10_000;
/** Services looked at in one go. */
const AT_A_TIME = 500;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #leader: Leader;
  readonly #loop: LevelTrigger;
  readonly #newest = new NewestServices();
  readonly #book = new EventBook();
  #settings: ControllerSettings;
  #decided: Decided | undefined;
  /** Of which nothing is left to be written. */
  #written: Allocation | undefined;
  /** The Services were read anew since we lead. */
  #sure = false;
  #failure: { readonly message: string; readonly since: number } | undefined;
  readonly #refused = new Map<string, string>();
  #count = { status: 0, events: 0, failed: 0 };
  #cancelTick: () => void = () => {};

  constructor(options: ControllerOptions, settings: ControllerSettings) {
    this.#options = options;
    this.#settings = settings;
    this.#leader = options.makeLeader((leads) => this.#leadershipChanged(leads));
    this.#loop = new LevelTrigger({
      work: () => this.#round(),
      onFailure: (error, retryMs) => this.#failed(failureOfError(error), retryMs),
    });
  }

  start(): void {
    this.#leader.start();
    this.#tick();
  }

  /** Services, problems or time are others than before. */
  trigger(): void {
    if (this.#leader.leads) void this.#loop.trigger();
  }

  configure(settings: ControllerSettings): void {
    this.#settings = settings;
    this.trigger();
  }

  /** Gives up the Lease, so that another goes on at once. Nothing that was written is taken back. */
  async stop(): Promise<void> {
    this.#cancelTick();
    const stopped = this.#loop.stop();
    // No request may be under way when another begins to lead.
    const giveUp = this.#options.timers.after(2_000, () => this.#options.writes.close());
    await stopped;
    giveUp();
    await this.#leader.stop();
    this.#options.writes.close();
  }

  get state(): ControllerState {
    const { lease, timers } = this.#options;
    const leader = this.#leader.state;
    const assignments = leader.leads ? (this.#decided?.allocation.assignments ?? []) : [];
    return {
      leader,
      pools: leader.leads ? (this.#decided?.allocation.use ?? []) : [],
      waiting: assignments.filter(({ satisfied }) => !satisfied).length,
      writes: this.#count,
      problems: controllerProblems({
        leader,
        lease,
        failure: leader.leads ? this.#failure : undefined,
        refused: leader.leads ? this.#refused : new Map(),
        assignments,
        now: timers.now(),
      }),
    };
  }

  #tick(): void {
    this.trigger();
    this.#cancelTick = this.#options.timers.after(TICK_MS, () => this.#tick());
  }

  #leadershipChanged(leads: boolean): void {
    this.#options.log.info({ lease: this.#options.lease.name }, leads ? 'leading' : 'not leading any more');
    this.#sure = false;
    this.#decided = undefined;
    this.trigger();
  }

  #failed(failure: ApiFailure, retryMs: number): void {
    const { timers, log } = this.#options;
    this.#failure = { message: failure.message, since: this.#failure?.since ?? timers.now() };
    this.#count = { ...this.#count, failed: this.#count.failed + 1 };
    log.warn({ retryMs }, `the API server, written to, ${failure.message}`);
  }

  async #round(): Promise<void> {
    const { source, timers, namespaces, writes } = this.#options;
    const snapshot = source.snapshot();
    // A Service that cannot be read may have any address.
    if (!this.#leader.leads || !snapshot.synced || !snapshot.complete) return;
    if (!this.#sure) {
      // What the leader before us wrote last may not have come to us by the watch.
      for (const namespace of namespaces.length === 0 ? [''] : namespaces) {
        for (const service of await writes.listServices(namespace)) this.#newest.note(service, timers.now());
      }
      this.#sure = true;
    }
    const services = this.#newest.merge(snapshot.services, timers.now());
    const allocation = await this.#decide(services);
    const { assignments } = allocation;
    const happened = this.#written === allocation ? [] : await this.#writeAll(allocation);
    const standing = [
      ...noticesOfAssignments(assignments),
      ...noticesOfProblems(this.#options.problems(), services),
    ];
    await this.#say(standing, happened);
    this.#failure = undefined;
  }

  /** What was changed that people should know. */
  async #writeAll(allocation: Allocation): Promise<Notice[]> {
    const { assignments, releases } = allocation;
    const happened: Notice[] = [];
    let written = releases.length === 0;
    let looked = 0;
    const time = wholeSeconds(this.#options.timers.now());
    for (const service of releases) await this.#write(service, releasePatch(service));
    for (const assignment of assignments) {
      const patch = statusPatch(assignment, time);
      looked += 1;
      if (looked % AT_A_TIME === 0) await new Promise((resolve) => setImmediate(resolve));
      if (patch === undefined) continue;
      written = false;
      if (await this.#write(assignment.service, patch)) happened.push(...changeOf(assignment));
    }
    if (written) this.#written = allocation;
    return happened;
  }

  async #decide(services: readonly Service[]): Promise<Allocation> {
    const settings = this.#settings;
    const last = this.#decided;
    if (last?.services === services && last.settings === settings) return last.allocation;
    const allocation = await runInSlices(allocateInPieces({ services, ...settings }));
    this.#decided = { services, settings, allocation };
    return allocation;
  }

  /** False: the Service is another by now, or the server does not take it. Throws when nothing can be written. */
  async #write(service: Service, patch: StatusPatch): Promise<boolean> {
    const { writes, timers, log } = this.#options;
    const key = keyOf(service);
    if (!this.#leader.leads) throw new ApiFailure('unreachable', 'is left to another leader');
    try {
      this.#newest.note(await writes.writeStatus(patch), timers.now());
      this.#count = { ...this.#count, status: this.#count.status + 1 };
      this.#refused.delete(key);
      log.info({ service: key, status: patch.status }, 'status written');
      return true;
    } catch (error) {
      const failure = failureOfError(error);
      if (failure.kind === 'conflict') await this.#readAgain(service);
      else if (failure.kind === 'missing') this.#newest.forget(service);
      else if (failure.invalid) this.#refused.set(key, failure.message);
      else throw failure;
      return false;
    }
  }

  async #readAgain(service: Service): Promise<void> {
    const { writes, timers } = this.#options;
    try {
      this.#newest.note(await writes.readService(service), timers.now());
    } catch (error) {
      const failure = failureOfError(error);
      if (failure.kind !== 'missing') throw failure;
      this.#newest.forget(service);
    }
    void this.#loop.trigger();
  }

  async #say(standing: readonly Notice[], happened: readonly Notice[]): Promise<void> {
    const { writes, timers } = this.#options;
    for (const write of this.#book.due(standing, happened, timers.now())) {
      if (!this.#leader.leads) return;
      try {
        this.#book.said(write, await writes.writeEvent(write, timers.now()), timers.now());
        this.#count = { ...this.#count, events: this.#count.events + 1 };
      } catch (error) {
        const failure = failureOfError(error);
        // The namespace is going, or it is not valid: an Event is not worth more.
        if (failure.kind !== 'missing' && !failure.invalid) throw failure;
        this.#book.said(write, undefined, timers.now());
      }
    }
  }
}

function changeOf(assignment: Assignment): Notice[] {
  const notice = noticeOfChange(assignment);
  return notice === undefined ? [] : [notice];
}
