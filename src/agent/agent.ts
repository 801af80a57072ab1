/**
 * The running agent: starts what it needs in an order that never takes
 * traffic away, then runs one loop that everything triggers: the source, the
 * network, drain, reload, and a clock for what nobody tells.
 */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/parse-config.ts';
import { inspectMaps, type MapsInspector } from '../dataplane/inspect/open-inspector.ts';
import type { Dataplane } from '../dataplane/open-dataplane.ts';
import { namesOf, readServiceNames, type ServiceNames } from '../dataplane/service-names.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { deviceAddressOf } from '../net/prefix.ts';
import { writeFileAtomic } from '../node/atomic-file.ts';
import { listOwnAddressesByDevice } from '../node/ip.ts';
import { NetlinkMonitor, type NetworkChange, startIpMonitor } from '../node/netlink-monitor.ts';
import { buildDesiredState } from '../services/build-desired-state.ts';
import type { DesiredService, DesiredState, Problem } from '../services/desired-state.ts';
import { type ServiceSettings, serviceSettings } from '../services/service-settings.ts';
import { openSource } from '../sources/open-source.ts';
import type { Source, SourceSnapshot } from '../sources/source.ts';
import { setVipDeviceUp } from '../vip/vip-device.ts';
import { decideReload, type ReloadDecision } from './decide-reload.ts';
import { type DrainedMark, drainedMark } from './drained-mark.ts';
import { AgentError, exitCodes } from './exit-codes.ts';
import { loadHashSeed } from './hash-seed.ts';
import { LevelTrigger } from './level-trigger.ts';
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

/** What of the agent the status shows. */
export interface AgentFacts {
  readonly config: Config;
  readonly hashSeed: bigint;
  readonly startedAt: number;
  readonly lastApplyAt: number | undefined;
  readonly survey: NodeSurvey;
  readonly state: ReconcileState;
  readonly drained: boolean;
  readonly failure: string | undefined;
  readonly problems: readonly Problem[];
}

/** What the network may do without telling. */
const TICK_MS = 10_000;
const TICKS_PER_RELEASE = 3;

export class Agent {
  readonly #options: AgentOptions;
  readonly #log: Logger;
  readonly #drained: DrainedMark;
  readonly #startedAt = Date.now();
  readonly #source: Source;
  readonly #loop: LevelTrigger;
  readonly #monitor: NetlinkMonitor;
  readonly dataplane: Dataplane;
  /** What the maps hold, for the API. */
  readonly inspector: MapsInspector;
  #names: ServiceNames;
  #servicesAtStart: number;
  #config: Config;
  #hashSeed: bigint;
  #settings: ServiceSettings;
  #survey: NodeSurvey;
  #state: ReconcileState = initialState;
  #nodeProblems: readonly Problem[] = [];
  #lastApplyAt: number | undefined;
  #failure: string | undefined;
  #lookAtNode = false;
  #built: { snapshot: SourceSnapshot; config: Config; state: DesiredState } | undefined;
  #followed: DesiredState | undefined;
  #namesKept: { services: readonly DesiredService[]; config: Config } | undefined;
  #nextConfig: { readonly config: Config; readonly hashSeed: bigint } | undefined;
  #ticks = 0;
  #ticker: NodeJS.Timeout | undefined;

  /** opened: programs are loaded and attached. Nothing is followed before {@link run}. */
  constructor(options: AgentOptions, opened: OpenedNode) {
    this.#options = options;
    this.#log = options.effects.log;
    this.#config = options.config;
    this.#settings = serviceSettings(options.config);
    this.#hashSeed = opened.hashSeed;
    this.#survey = opened.survey;
    this.#nodeProblems = opened.problems;
    this.dataplane = opened.dataplane;
    this.#servicesAtStart = opened.servicesInMaps;
    const { maps, clock } = opened.dataplane;
    // Until the source has spoken, what an earlier agent knew about the maps it left.
    this.#names = readServiceNames(options.effects.files.names) ?? this.#namesOf([]);
    this.inspector = inspectMaps({ kernel: options.kernel, maps, clock, names: () => this.#names });
    this.#drained = drainedMark(options.effects.files.drained);
    this.#source = openSource(options.config.source);
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
    await this.#source.start(() => void this.#loop.trigger());
    await this.#loop.trigger();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Ends this process's part. Packets go on, and so does the announcement. */
  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    await this.#source.stop();
    await this.#monitor.stop();
    await this.#loop.stop();
    await this.dataplane.close();
  }

  get facts(): AgentFacts {
    return {
      config: this.#config,
      hashSeed: this.#hashSeed,
      startedAt: this.#startedAt,
      lastApplyAt: this.#lastApplyAt,
      survey: this.#survey,
      state: this.#state,
      drained: this.#drained.get(),
      failure: this.#failure,
      problems: [...this.#state.problems, ...this.#survey.problems, ...this.#nodeProblems],
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
      const failures = [await this.#keepNode(), await this.#reconcile()].filter((one) => one !== undefined);
      if (failures.length > 0) throw failures[0];
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
    this.#hashSeed = hashSeed;
    this.#log.level = config.log.level;
    this.#lookAtNode = true;
    this.#nextConfig = undefined;
  }

  /** Upkeep when something suggests it; returns what went wrong, so that services are looked after anyway. */
  async #keepNode(): Promise<unknown> {
    if (!this.#lookAtNode) return undefined;
    this.#lookAtNode = false;
    const { effects } = this.#options;
    try {
      const before = this.#survey;
      this.#survey = await surveyNode(this.#config, effects.run);
      const problems = keepSysctls(effects, this.#config, this.#survey);
      await keepDevices(effects, this.dataplane, before, this.#survey);
      await keepVipDevice(effects, this.#config);
      this.#nodeProblems = [...problems, ...(await keepNeighbours(effects, this.#backendAddresses()))];
      return undefined;
    } catch (error) {
      return error;
    }
  }

  async #reconcile(): Promise<unknown> {
    const { effects, metrics } = this.#options;
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
      metrics.countApplyFailure();
      return error;
    }
    await this.#followBackends(effects);
    return undefined;
  }

  /** The same object for the same objects, so that a run without a cause costs next to nothing. */
  #desiredState(snapshot: SourceSnapshot): DesiredState {
    const known = this.#built;
    const { services, slices } = snapshot;
    const same = known?.snapshot.services === services && known.snapshot.slices === slices;
    if (same && known.config === this.#config) return known.state;
    // One object for one configuration: answers are kept for it.
    if (known?.config !== this.#config) this.#settings = serviceSettings(this.#config);
    const state = buildDesiredState(services, slices, this.#settings);
    this.#built = { snapshot, config: this.#config, state };
    return state;
  }

  async #apply(state: Parameters<Dataplane['apply']>[0], deletions: boolean): Promise<readonly Problem[]> {
    const started = performance.now();
    const ownAddresses = this.#config.vips.ranges.flatMap((range) => deviceAddressOf(range) ?? []);
    const report = await this.dataplane.apply(state, { ownAddresses, deletions });
    this.#lastApplyAt = Date.now();
    this.#keepNames(state.services);
    const ms = performance.now() - started;
    if (report.stores > 0) {
      const { created, changed, removed, stores, waiting } = report;
      this.#log.info({ created, changed, removed, stores, waiting, ms: Math.round(ms) }, 'maps changed');
      this.#options.metrics.observeApply(ms / 1000);
    }
    return report.problems;
  }

  #namesOf(services: readonly DesiredService[]): ServiceNames {
    return namesOf({ services }, this.#config, this.dataplane.clock.hz);
  }

  /** For lbctl without an agent. Losing the file loses names, so it does not fail a change. */
  #keepNames(services: readonly DesiredService[]): void {
    if (this.#namesKept?.services === services && this.#namesKept.config === this.#config) return;
    this.#names = this.#namesOf(services);
    this.#namesKept = { services, config: this.#config };
    try {
      writeFileAtomic(this.#options.effects.files.names, `${JSON.stringify(this.#names)}\n`);
    } catch (err) {
      this.#log.warn({ err }, 'the names of services cannot be kept');
    }
  }

  async #setVip(up: boolean): Promise<boolean> {
    return setVipDeviceUp(this.#options.effects.run, this.#config.vips.device.name, up);
  }

  #logAnnouncement(changed: boolean, state: ReconcileState): void {
    const announcement = state.announcement;
    if (!changed && announcement?.reason === this.#state.announcement?.reason) return;
    const device = this.#config.vips.device.name;
    this.#log.info({ device, ...announcement }, `announcement: ${announcement?.reason ?? 'unknown'}`);
  }

  /** New backends' next hops become managed neighbours after the maps are done: packets do not wait for it. */
  async #followBackends(effects: NodeEffects): Promise<void> {
    if (this.#state.desired === this.#followed) return;
    this.#followed = this.#state.desired;
    const addresses = this.#backendAddresses();
    const others = this.#nodeProblems.filter(({ code }) => code !== 'neighbours');
    this.#nodeProblems = [...others, ...(await keepNeighbours(effects, addresses))];
  }

  #backendAddresses(): string[] {
    const services = this.#state.desired?.services ?? [];
    return [...new Set(services.flatMap(({ backends }) => backends.map(({ address }) => address)))].sort();
  }

  #onNetworkChange(changes: ReadonlySet<NetworkChange>): void {
    this.dataplane.invalidateNextHops();
    if (changes.size === 1 && changes.has('neighbour')) return;
    this.#lookAtNode = true;
    void this.#loop.trigger();
  }

  #tick(): void {
    this.#lookAtNode = true;
    void this.#loop.trigger();
    this.#ticks += 1;
    if (this.#ticks % TICKS_PER_RELEASE !== 0) return;
    this.dataplane.releaseFormer().then(
      (released) => released > 0 && this.#log.debug({ released }, 'entries of former backends released'),
      (err: unknown) => this.#log.error({ err }, 'entries of former backends could not be released'),
    );
  }
}
