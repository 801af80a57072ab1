/**
 * The running agent: starts what it needs in an order that never takes
 * traffic away, then runs one loop that everything triggers: the source, the
 * network, drain, reload, and a clock for what nobody tells.
 */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/parse-config.ts';
import type { Controller } from '../controller/controller.ts';
import { controllerSettings, openController } from '../controller/open-controller.ts';
import { inspectMaps, type MapsInspector } from '../dataplane/inspect/open-inspector.ts';
import type { Dataplane } from '../dataplane/open-dataplane.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { deviceAddressOf } from '../net/prefix.ts';
import { listOwnAddressesByDevice } from '../node/ip.ts';
import { LevelTrigger } from '../node/level-trigger.ts';
import { NetlinkMonitor, type NetworkChange, startIpMonitor } from '../node/netlink-monitor.ts';
import { NextHopBook } from '../node/next-hop-book.ts';
import type { RunCommand } from '../node/run-command.ts';
import { DesiredStateBuilder } from '../services/build-desired-state.ts';
import type { DesiredState, Problem } from '../services/desired-state.ts';
import { serviceSettings } from '../services/service-settings.ts';
import { runInSlices } from '../slices/run-in-slices.ts';
import { openSource } from '../sources/open-source.ts';
import type { Source, SourceSnapshot } from '../sources/source.ts';
import { setVipDeviceUp } from '../vip/vip-device.ts';
import type { AgentFacts } from './agent-facts.ts';
import { BackendAddresses } from './backend-addresses.ts';
import { decideReload, type ReloadDecision } from './decide-reload.ts';
import { type DrainedMark, drainedMark } from './drained-mark.ts';
import { AgentError, exitCodes } from './exit-codes.ts';
import { loadHashSeed } from './hash-seed.ts';
import { judgeWays } from './judge-ways.ts';
import { KeptNames } from './kept-names.ts';
import { News } from './news.ts';
import type { OpenedNode } from './open-node.ts';
import { initialState, type ReconcileState, reconcile } from './reconcile.ts';
import { type NodeSurvey, refuseOwnVips, surveyNode } from './survey-node.ts';
import { keepDevices, keepNeighbours, keepSysctls, keepVipDevice, type NodeEffects } from './upkeep.ts';

export interface AgentOptions {
  readonly configFile: string;
  readonly config: Config;
  readonly kernel: Kernel;
  readonly effects: NodeEffects;
  readonly metrics: Metrics;
}

/** What the network may do without telling. */
const TICK_MS = 10_000;
const TICKS_PER_RELEASE = 3;
/** Routes are asked for again when the kernel tells of a change, and this often in any case. */
const TICKS_PER_LOOK_AT_ROUTES = 6;
/** How often all services are compared, not only those that changed. */
const TICKS_PER_LOOK_AT_EVERYTHING = 30;

export class Agent {
  readonly #options: AgentOptions;
  readonly #log: Logger;
  readonly #drained: DrainedMark;
  readonly #startedAt = Date.now();
  readonly #source: Source;
  readonly #controller: Controller | undefined;
  readonly #loop: LevelTrigger;
  readonly #monitor: NetlinkMonitor;
  readonly dataplane: Dataplane;
  /** What the maps hold, for the API. */
  readonly inspector: MapsInspector;
  readonly #names: KeptNames;
  readonly #addresses = new BackendAddresses();
  readonly #nextHops = new NextHopBook();
  #servicesAtStart: number;
  #config: Config;
  #hashSeed: bigint;
  #builder: { readonly config: Config; readonly builder: DesiredStateBuilder } | undefined;
  #survey: NodeSurvey;
  #state: ReconcileState = initialState;
  #nodeProblems: readonly Problem[] = [];
  #wayProblems: readonly Problem[] = [];
  #lastApplyAt: number | undefined;
  #failure: string | undefined;
  /** What the source has said since the last reconcile began. */
  readonly #news = new News();
  /** Why a reconcile failed that came in between. */
  #newsFailure: unknown;
  #lookAtNode = false;
  /** What the VIP device was set to, as far as nothing has happened since. */
  #vipUp: boolean | undefined;
  #lookAtRoutes = false;
  #lookAtEverything = false;
  #nextConfig: { readonly config: Config; readonly hashSeed: bigint } | undefined;
  #ticks = 0;
  #ticker: NodeJS.Timeout | undefined;

  /** opened: programs are loaded and attached. Nothing is followed before {@link run}. */
  constructor(options: AgentOptions, opened: OpenedNode) {
    this.#options = options;
    this.#log = options.effects.log;
    this.#config = options.config;
    this.#hashSeed = opened.hashSeed;
    this.#survey = opened.survey;
    this.#nodeProblems = opened.problems;
    this.dataplane = opened.dataplane;
    this.#servicesAtStart = opened.servicesInMaps;
    const { maps, clock } = opened.dataplane;
    this.#names = new KeptNames(options.config, {
      file: options.effects.files.names,
      hz: clock.hz,
      onFailure: (err) => this.#log.warn({ err }, 'the names of services cannot be kept'),
    });
    this.inspector = inspectMaps({
      kernel: options.kernel,
      maps,
      clock,
      names: () => this.#names.names,
      services: () => this.dataplane.services,
    });
    this.#drained = drainedMark(options.effects.files.drained);
    this.#source = openSource(options.config.source);
    const problems = (): readonly Problem[] => this.#state.problems;
    this.#controller = openController(options.config, { source: this.#source, problems, log: this.#log });
    this.#loop = new LevelTrigger({
      work: () => this.#work(),
      onFailure: (err, retryMs) => this.#log.error({ err, retryMs }, 'reconcile failed'),
    });
    this.#monitor = new NetlinkMonitor({
      start: startIpMonitor,
      onChange: (changes) => this.#onNetworkChange(changes),
      onTrouble: (message) => this.#log.warn(message),
    });
  }

  /** The loop. Resolves after the first look at the source. */
  async run(): Promise<void> {
    this.#monitor.start();
    await this.#loop.trigger();
    await this.#source.start(() => {
      this.#news.tell();
      void this.#loop.trigger();
    });
    await this.#loop.trigger();
    this.#controller?.start();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Ends this process's part. Packets go on, and so does the announcement. */
  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    await this.#controller?.stop();
    await this.#source.stop();
    await this.#monitor.stop();
    await this.#loop.stop();
    await this.#names.stop();
    await this.dataplane.close();
  }

  get facts(): AgentFacts {
    const controller = this.#controller?.state;
    return {
      controller,
      config: this.#config,
      hashSeed: this.#hashSeed,
      startedAt: this.#startedAt,
      lastApplyAt: this.#lastApplyAt,
      survey: this.#survey,
      state: this.#state,
      drained: this.#drained.get(),
      failure: this.#failure,
      problems: [
        ...this.#state.problems,
        ...this.#survey.problems,
        ...this.#nodeProblems,
        ...this.#wayProblems,
        ...(controller?.problems ?? []),
      ],
    };
  }

  get source(): Source {
    return this.#source;
  }

  /** Withdraws, or announces again if that is right. Resolves when it is done. */
  async setDrained(drained: boolean): Promise<void> {
    this.#drained.set(drained);
    this.#log.info({ drained }, drained ? 'drained by an operator' : 'drain ended by an operator');
    await this.#loop.trigger();
  }

  /** Reads the configuration again; throws a ConfigError or AgentError, and then nothing has changed. */
  async reload(): Promise<ReloadDecision> {
    const config = loadConfig(this.#options.configFile);
    const decision = decideReload(this.#config, config);
    if (decision.verdict === 'refused') {
      this.#log.warn({ changed: decision.changed }, decision.message ?? 'reload refused');
      return decision;
    }
    const hashSeed = loadHashSeed(config.hash.seedFile, this.#options.effects.files.seed);
    // The content of the seed file may have changed without the configuration.
    if (decision.verdict === 'unchanged' && hashSeed === this.#hashSeed) return decision;
    this.#nextConfig = { config, hashSeed };
    await this.#loop.trigger();
    if (this.#nextConfig !== undefined) {
      this.#nextConfig = undefined;
      throw new AgentError(
        exitCodes.failure,
        `the new configuration could not be brought into effect: ${this.#failure ?? 'unknown'}; the old one stays in force`,
      );
    }
    this.#log.info({ changed: decision.changed, verdict: decision.verdict }, 'configuration reloaded');
    return decision.verdict === 'unchanged' ? { verdict: 'swap', changed: ['hash.seedFile'] } : decision;
  }

  /** Every configured device is there and has our program. */
  get devicesAttached(): boolean {
    return this.#survey.missing.length === 0 && this.dataplane.health().ok;
  }

  async #work(): Promise<void> {
    try {
      await this.#adoptConfig();
      this.#newsFailure = undefined;
      const failures = [await this.#keepNode(), await this.#reconcile()];
      await this.#followBackends();
      const failure = [...failures, this.#newsFailure].find((one) => one !== undefined);
      if (failure !== undefined) throw failure;
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      this.#lookAtNode = true;
      throw error;
    }
  }

  /** A reload, at a moment when nothing else is under way. */
  async #adoptConfig(): Promise<void> {
    const next = this.#nextConfig;
    if (next === undefined) return;
    const { config, hashSeed } = next;
    const swap = decideReload(this.#config, config).verdict === 'swap' || hashSeed !== this.#hashSeed;
    if (swap) {
      refuseOwnVips(config, await listOwnAddressesByDevice(this.#options.effects.run));
      const { devices, egress } = this.#survey;
      await this.dataplane.swapProgram({ config, hashSeed, devices, egress });
    }
    this.#config = config;
    this.#controller?.configure(controllerSettings(config));
    this.#hashSeed = hashSeed;
    this.#log.level = config.log.level;
    this.#lookAtNode = true;
    this.#nextConfig = undefined;
  }

  /** Upkeep when something suggests it; returns what went wrong, so that services are looked after anyway. */
  async #keepNode(): Promise<unknown> {
    if (!this.#lookAtNode) return undefined;
    this.#lookAtNode = false;
    this.#vipUp = undefined;
    const effects = { ...this.#options.effects, run: this.#runWithNews };
    try {
      const before = this.#survey;
      this.#survey = await surveyNode(this.#config, effects.run);
      const problems = keepSysctls(effects, this.#config, this.#survey);
      await keepDevices(effects, this.dataplane, before, this.#survey);
      await keepVipDevice(effects, this.#config);
      const ask = this.#lookAtRoutes ? 'all' : 'unknown';
      this.#lookAtRoutes = false;
      this.#nodeProblems = [...problems, ...(await this.#keepNeighbours(ask))];
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /**
   * Runs a program of the system for upkeep, which may take many of them: what the source says meanwhile
   * does not wait.
   */
  readonly #runWithNews: RunCommand = (...command) =>
    this.#news.during(this.#options.effects.run(...command), async () => {
      this.#newsFailure = await this.#reconcile();
    });

  async #reconcile(): Promise<unknown> {
    this.#news.clear();
    try {
      const report = await reconcile(
        {
          snapshot: () => this.#source.snapshot(),
          desiredState: (snapshot) => this.#desiredState(snapshot),
          apply: (state, { deletions }) => this.#apply(state, deletions),
          servicesInMaps: () =>
            this.#lastApplyAt === undefined ? this.#servicesAtStart : this.dataplane.serviceCount,
          devicesAttached: () => this.devicesAttached,
          drained: () => this.#drained.get(),
          setVip: (up) => this.#setVip(up),
        },
        this.#state,
      );
      this.#logAnnouncement(report.announcedChanged, report.state);
      this.#state = report.state;
    } catch (error) {
      this.#options.metrics.countApplyFailure();
      return error;
    }
    // After the maps: a Service is told of an address, or of a problem, when that is so here.
    this.#controller?.trigger();
    return undefined;
  }

  /** The same object for the same objects, so that a run without a cause costs next to nothing. */
  async #desiredState({ services, slices, nodes }: SourceSnapshot): Promise<DesiredState> {
    const known = this.#builder;
    const { builder } =
      known?.config === this.#config
        ? known
        : { builder: new DesiredStateBuilder(serviceSettings(this.#config)) };
    const config = this.#config;
    // One that throws is not used again.
    this.#builder = undefined;
    const state = await runInSlices(builder.update(services, slices, nodes));
    this.#builder = { config, builder };
    return state;
  }

  async #apply(state: Parameters<Dataplane['apply']>[0], deletions: boolean): Promise<readonly Problem[]> {
    const started = performance.now();
    const ownAddresses = this.#config.vips.ranges.flatMap((range) => deviceAddressOf(range) ?? []);
    const everything = this.#lookAtEverything;
    this.#lookAtEverything = false;
    const report = await this.dataplane.apply(state, { ownAddresses, deletions, everything });
    this.#lastApplyAt = Date.now();
    await this.#names.follow(state.services, this.#config);
    const ms = performance.now() - started;
    if (report.stores > 0) {
      const { created, changed, removed, stores, waiting } = report;
      this.#log.info({ created, changed, removed, stores, waiting, ms: Math.round(ms) }, 'maps changed');
      this.#options.metrics.observeApply(ms / 1000);
    }
    return report.problems;
  }

  /** Asking costs a process, so it is done when a look at the node is due: the kernel tells of changes. */
  async #setVip(up: boolean): Promise<boolean> {
    if (this.#vipUp === up) return false;
    this.#vipUp = undefined;
    const changed = await setVipDeviceUp(this.#options.effects.run, this.#config.vips.device.name, up);
    this.#vipUp = up;
    return changed;
  }

  #logAnnouncement(changed: boolean, state: ReconcileState): void {
    const announcement = state.announcement;
    if (!changed && announcement?.reason === this.#state.announcement?.reason) return;
    const device = this.#config.vips.device.name;
    this.#log.info({ device, ...announcement }, `announcement: ${announcement?.reason ?? 'unknown'}`);
  }

  /** New backends' next hops become managed neighbours after the maps are done: packets do not wait for it. */
  async #followBackends(): Promise<void> {
    while (await runInSlices(this.#addresses.follow(this.#state.desired?.services ?? []))) {
      const problems = await this.#keepNeighbours('unknown');
      const others = this.#nodeProblems.filter(({ code }) => code !== 'neighbours');
      this.#nodeProblems = [...others, ...problems];
    }
  }

  async #keepNeighbours(ask: 'all' | 'unknown'): Promise<Problem[]> {
    const effects = { ...this.#options.effects, run: this.#runWithNews };
    const problems = await keepNeighbours(effects, () =>
      this.#nextHops.nextHopsOf(effects.run, this.#addresses.all, ask),
    );
    const services = this.#state.desired?.services ?? [];
    const ways = { services, nextHops: this.#nextHops, links: this.#survey.links };
    this.#wayProblems = await runInSlices(judgeWays(ways, this.#wayProblems, this.#log));
    return problems;
  }

  #onNetworkChange(changes: ReadonlySet<NetworkChange>): void {
    this.dataplane.invalidateNextHops();
    if (changes.size === 1 && changes.has('neighbour')) return;
    this.#lookAtNode = true;
    this.#lookAtRoutes = true;
    void this.#loop.trigger();
  }

  #tick(): void {
    this.#ticks += 1;
    this.#lookAtNode = true;
    this.#lookAtRoutes ||= this.#ticks % TICKS_PER_LOOK_AT_ROUTES === 0;
    this.#lookAtEverything ||= this.#ticks % TICKS_PER_LOOK_AT_EVERYTHING === 0;
    void this.#loop.trigger();
    if (this.#ticks % TICKS_PER_RELEASE !== 0) return;
    this.dataplane.releaseFormer().then(
      (released) => released > 0 && this.#log.debug({ released }, 'entries of former backends released'),
      (err: unknown) => this.#log.error({ err }, 'entries of former backends could not be released'),
    );
  }
}
