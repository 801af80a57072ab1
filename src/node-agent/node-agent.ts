/**
 * The running agent of a worker: one loop that the source, the network, a
 * reload and a clock trigger. It brings the targets to what the source says
 * and keeps programs and kernel settings in place; packets never wait for it.
 */
import type { Logger } from 'pino';
import { judgeChanges, type ReloadDecision } from '../agent/decide-reload.ts';
import { AgentError, exitCodes } from '../agent/exit-codes.ts';
import type { NodeSurvey } from '../agent/survey-node.ts';
import { type NodeEffects, writeSysctls } from '../agent/upkeep.ts';
import { compareNodeConfigs } from '../config/compare-node-configs.ts';
import type { NodeConfig } from '../config/node-config.ts';
import { isNodeConfig, loadConfigOfAnyRole } from '../config/parse-node-config.ts';
import type { JiffiesClock } from '../dataplane/next-hop-table.ts';
import { timeoutsInJiffies } from '../dataplane/program-config.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { LevelTrigger } from '../node/level-trigger.ts';
import { NetlinkMonitor, startIpMonitor } from '../node/netlink-monitor.ts';
import { droppedFragments, type NodeInspection } from '../node-dataplane/node-views.ts';
import type { NodeDataplane } from '../node-dataplane/open-node-dataplane.ts';
import { planTargetsInPieces } from '../node-dataplane/plan-targets.ts';
import { DesiredStateBuilder } from '../services/build-desired-state.ts';
import type { DesiredState, Problem } from '../services/desired-state.ts';
import type { ServiceSettings } from '../services/service-settings.ts';
import { runInSlices } from '../slices/run-in-slices.ts';
import { openSource } from '../sources/open-source.ts';
import type { Source, SourceSnapshot } from '../sources/source.ts';
import { type FragmentsSeen, judgeFragments, lookAtFragments } from './judge-fragments.ts';
import { nodeServiceSettings } from './node-settings.ts';
import { surveyWorker } from './survey-worker.ts';

export interface NodeAgentOptions {
  readonly configFile: string;
  readonly config: NodeConfig;
  readonly kernel: Kernel;
  readonly effects: NodeEffects;
  readonly metrics: Metrics;
  readonly clock: JiffiesClock;
  /** Loaded and attached. */
  readonly dataplane: NodeDataplane;
  readonly survey: NodeSurvey;
  readonly problems: readonly Problem[];
}

/** What the last apply was made from, and what the next one goes on with. */
interface Built {
  readonly snapshot: SourceSnapshot;
  readonly config: NodeConfig;
  readonly builder: DesiredStateBuilder;
}

/** What the network may do without telling. */
const TICK_MS = 10_000;

export class NodeAgent {
  readonly #options: NodeAgentOptions;
  readonly #log: Logger;
  readonly #loop: LevelTrigger;
  readonly #monitor: NetlinkMonitor;
  readonly source: Source;
  readonly dataplane: NodeDataplane;
  readonly startedAt = Date.now();
  #config: NodeConfig;
  #settings: ServiceSettings;
  #survey: NodeSurvey;
  #nodeProblems: readonly Problem[];
  #fragments: FragmentsSeen | undefined;
  #built: Built | undefined;
  /** What the targets in the map were made from. */
  #state: DesiredState | undefined;
  #problems: readonly Problem[] = [];
  #lastApplyAt: number | undefined;
  #failure: string | undefined;
  #lookAtNode = false;
  #nextConfig: NodeConfig | undefined;
  #ticker: NodeJS.Timeout | undefined;

  /** Nothing is followed before {@link run}. */
  constructor(options: NodeAgentOptions) {
    this.#options = options;
    this.#log = options.effects.log;
    this.#config = options.config;
    this.#settings = nodeServiceSettings(options.config);
    this.#survey = options.survey;
    this.#nodeProblems = options.problems;
    this.dataplane = options.dataplane;
    this.source = openSource(options.config.source);
    this.#loop = new LevelTrigger({
      work: () => this.#work(),
      onFailure: (err, retryMs) => this.#log.error({ err, retryMs }, 'reconcile failed'),
    });
    this.#monitor = new NetlinkMonitor({
      start: startIpMonitor,
      onChange: (changes) => {
        if (changes.size > 1 || !changes.has('neighbour')) this.#lookAgain();
      },
      onTrouble: (message) => this.#log.warn(message),
    });
  }

  /** Resolves after the first look at the source. */
  async run(): Promise<void> {
    this.#fragments = lookAtFragments(droppedFragments(this.inspection), undefined, Date.now());
    this.#monitor.start();
    await this.source.start(() => void this.#loop.trigger());
    await this.#loop.trigger();
    this.#ticker = setInterval(() => this.#lookAgain(), TICK_MS);
  }

  /** Ends this process's part; packets go on. */
  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    await this.source.stop();
    await this.#monitor.stop();
    await this.#loop.stop();
    this.dataplane.close();
  }

  get config(): NodeConfig {
    return this.#config;
  }

  get survey(): NodeSurvey {
    return this.#survey;
  }

  get problems(): readonly Problem[] {
    return [...this.#problems, ...this.#survey.problems, ...this.#nodeProblems];
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  /** Milliseconds since 1970; undefined: the source has not been applied yet. */
  get lastApplyAt(): number | undefined {
    return this.#lastApplyAt;
  }

  /** What the API needs to look into the maps. */
  get inspection(): NodeInspection {
    const { kernel, clock } = this.#options;
    return {
      kernel,
      clock,
      maps: this.dataplane.maps,
      timeouts: timeoutsInJiffies(this.#config.timeouts, clock.hz),
      services: this.#state?.services ?? [],
    };
  }

  /** Reads the configuration again; throws a ConfigError or AgentError, and then nothing has changed. */
  async reload(): Promise<ReloadDecision> {
    const config = loadConfigOfAnyRole(this.#options.configFile);
    if (!isNodeConfig(config)) {
      const message =
        'a change of role needs lb-agent cleanup by the old configuration, then a start with the new one';
      return { verdict: 'refused', changed: ['role'], message };
    }
    const decision = judgeChanges(compareNodeConfigs(this.#config, config));
    if (decision.verdict === 'refused' || decision.verdict === 'unchanged') {
      if (decision.message !== undefined) this.#log.warn({ changed: decision.changed }, decision.message);
      return decision;
    }
    this.#nextConfig = config;
    await this.#loop.trigger();
    if (this.#nextConfig !== undefined) {
      this.#nextConfig = undefined;
      const why = `the new configuration could not be brought into effect: ${this.#failure ?? 'unknown'}`;
      throw new AgentError(exitCodes.failure, `${why}; the old one stays in force`);
    }
    this.#log.info({ changed: decision.changed, verdict: decision.verdict }, 'configuration reloaded');
    return decision;
  }

  #lookAgain(): void {
    this.#lookAtNode = true;
    void this.#loop.trigger();
  }

  async #work(): Promise<void> {
    try {
      await this.#adoptConfig();
      if (this.#lookAtNode) await this.#keepNode();
      await this.#applySource();
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      this.#lookAtNode = true;
      throw error;
    }
  }

  async #adoptConfig(): Promise<void> {
    const next = this.#nextConfig;
    if (next === undefined) return;
    if (judgeChanges(compareNodeConfigs(this.#config, next)).verdict === 'swap') {
      await this.dataplane.swapProgram(next, this.#survey.devices);
    }
    this.#config = next;
    this.#settings = nodeServiceSettings(next);
    this.#log.level = next.log.level;
    this.#lookAtNode = true;
    this.#nextConfig = undefined;
  }

  async #keepNode(): Promise<void> {
    const { effects } = this.#options;
    const before = this.#survey;
    this.#survey = await surveyWorker(this.#config, effects.run);
    const now = Date.now();
    this.#fragments = lookAtFragments(droppedFragments(this.inspection), this.#fragments, now);
    this.#nodeProblems = [
      ...keepWorkerSysctls(effects, this.#config, this.#survey),
      ...judgeFragments(this.#fragments, now),
    ];
    const changed = JSON.stringify(before.devices) !== JSON.stringify(this.#survey.devices);
    if (changed || !this.dataplane.health().every(({ attached }) => attached)) {
      this.dataplane.updateDevices(this.#survey.devices);
      this.#log.info({ devices: this.dataplane.health(), missing: this.#survey.missing }, 'devices changed');
    }
    this.#lookAtNode = false;
  }

  async #applySource(): Promise<void> {
    const snapshot = this.source.snapshot();
    if (!snapshot.synced) {
      this.#problems = snapshot.problems;
      return;
    }
    const config = this.#config;
    const known = this.#built?.config === config ? this.#built : undefined;
    if (known?.snapshot === snapshot) return;
    const { metrics } = this.#options;
    const started = performance.now();
    const builder = known?.builder ?? new DesiredStateBuilder(this.#settings);
    const { services, slices } = snapshot;
    try {
      const state = await runInSlices(builder.update(services, slices));
      const plan = await runInSlices(planTargetsInPieces(state.services, slices, config));
      const { written, removed, waiting } = await this.dataplane.apply(plan.targets, snapshot.complete);
      this.#problems = [...snapshot.problems, ...state.problems, ...plan.problems, ...lackOf(waiting.length)];
      const ms = performance.now() - started;
      if (written + removed > 0) {
        this.#log.info({ written, removed, waiting: waiting.length, ms: Math.round(ms) }, 'targets changed');
        metrics.observeApply(ms / 1000);
      }
      this.#built = { snapshot, config, builder };
      this.#state = state;
    } catch (error) {
      // The builder may have stopped half-way.
      this.#built = undefined;
      metrics.countApplyFailure();
      throw error;
    }
    this.#lastApplyAt = Date.now();
  }
}

/** Packets for pods come by the devices and are routed on. */
export function keepWorkerSysctls(
  effects: NodeEffects,
  { vips }: Pick<NodeConfig, 'vips'>,
  survey: NodeSurvey,
): Problem[] {
  const ipv6 = vips.ranges.some(({ network }) => typeof network === 'bigint');
  return writeSysctls(effects, survey, { ownPorts: [], ipv6 });
}

function lackOf(waiting: number): Problem[] {
  if (waiting === 0) return [];
  const message = `there is no room for ${waiting} targets, whose packets are dropped; raise limits.targets`;
  return [{ severity: 'error', code: 'targets-full', message }];
}
