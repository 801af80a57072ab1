/** The Prometheus registry: what the agent counts itself, and what is read from the maps at each scrape. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ServiceView, StatsView, StatusView } from '../api/types.ts';
import type { PoolFill } from '../dataplane/inspect/open-inspector.ts';
import { inSlices } from '../slices/run-in-slices.ts';
import { type MetricDefinition, type MetricKey, metricTable } from './metric-table.ts';
import { addServices, isOfService, newSeries } from './service-series.ts';

/** All that a scrape shows. */
export interface MetricsInput {
  readonly status: StatusView;
  /** Made one by one while the text is written. */
  readonly services: Iterable<ServiceView>;
  readonly stats: Pick<StatsView, 'drops' | 'events'>;
  readonly pools: readonly PoolFill[];
  readonly drained: boolean;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly lastApplyAt?: number;
}

/** From a slice change in a small table to the first load of ten thousand services. */
const APPLY_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** How often it is looked at whether the event loop goes on; stalls that are shorter are not seen. */
const STALL_RESOLUTION_MS = 10;

type Labels = Record<string, string | number>;

export class Metrics {
  readonly #registry = new Registry();
  readonly #metrics = new Map<MetricKey, Counter | Gauge>();
  readonly #applyDuration: Histogram;
  #applyFailures = 0;
  readonly #delays = monitorEventLoopDelay({ resolution: STALL_RESOLUTION_MS });

  constructor() {
    this.#delays.enable();
    for (const [key, definition] of Object.entries(metricTable) as Array<[MetricKey, MetricDefinition]>) {
      const options = {
        name: definition.name,
        help: definition.help,
        labelNames: [...definition.labels],
        registers: [this.#registry],
      };
      if (definition.type === 'histogram' || isOfService(key)) continue;
      this.#metrics.set(key, definition.type === 'counter' ? new Counter(options) : new Gauge(options));
    }
    this.#applyDuration = new Histogram({
      name: metricTable.applyDuration.name,
      help: metricTable.applyDuration.help,
      buckets: APPLY_BUCKETS,
      registers: [this.#registry],
    });
  }

  observeApply(seconds: number): void {
    this.#applyDuration.observe(seconds);
  }

  countApplyFailure(): void {
    this.#applyFailures += 1;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of a scrape. */
  async *render(input: MetricsInput): AsyncGenerator<string | Uint8Array> {
    const series = newSeries();
    const sums = await addServices(series, input.services);
    // From here to the text nothing else runs in between: another scrape sets the same metrics.
    for (const metric of this.#metrics.values()) metric.reset();
    this.#setAgent(input);
    this.#setState(input);
    this.#setStats(input.stats);
    this.#set('services', sums.services);
    for (const state of ['active', 'draining'] as const) this.#set('backends', sums[state], { state });
    this.#set('backendsOmitted', sums.omitted);
    yield await this.#registry.metrics();
    for (const each of Object.values(series)) yield* inSlices(each.pieces());
  }

  /** Absolute values: the maps count, not we, so counters are set rather than raised. */
  #set(key: MetricKey, value: number, labels: Labels = {}): void {
    const metric = this.#metrics.get(key);
    // A counter was reset just before, so this sets it.
    metric?.inc(labels, value);
  }

  #setAgent({ status, startedAt, drained, lastApplyAt }: MetricsInput): void {
    this.#set('info', 1, {
      version: status.version,
      node: status.node,
      hash_seed_fingerprint: status.hashSeedFingerprint,
      layout_version: status.layoutVersion,
    });
    this.#set('startTime', startedAt / 1000);
    const { user, system } = process.cpuUsage();
    this.#set('cpuSeconds', (user + system) / 1e6);
    this.#set('longestStall', Math.max(0, this.#delays.max / 1e9 - STALL_RESOLUTION_MS / 1e3));
    this.#set('residentBytes', process.memoryUsage.rss());
    this.#set('drained', drained ? 1 : 0);
    this.#set('lastApply', (lastApplyAt ?? 0) / 1000);
    this.#set('applyFailures', this.#applyFailures);
  }

  #setState({ status, pools }: MetricsInput): void {
    this.#set('announced', status.vip.up ? 1 : 0);
    for (const { name, mode, attached } of status.devices) {
      this.#set('deviceAttached', attached ? 1 : 0, { device: name, mode });
    }
    for (const severity of ['error', 'warning']) {
      const count = status.problems.filter((problem) => problem.severity === severity).length;
      this.#set('problems', count, { severity });
    }
    this.#set('activeFlows', status.activeFlows);
    this.#set('snatRecords', status.snat.records);
    this.#set('snatRecordsUsed', status.snat.used);
    this.#set('mapsBytes', status.memory.mapsBytes);
    this.#set('sourceSynced', status.source.synced ? 1 : 0);
    this.#set('sourceObjects', status.source.objects);
    const changed = status.source.lastChangeAt;
    this.#set('sourceLastChange', changed === undefined ? 0 : Date.parse(changed) / 1000);
    for (const watch of status.source.watches ?? []) {
      const { kind, lastHeardAt } = watch;
      this.#set('sourceConnected', watch.connected ? 1 : 0, { kind });
      this.#set('sourceLastHeard', lastHeardAt === undefined ? 0 : Date.parse(lastHeardAt) / 1000, { kind });
      this.#set('sourceRelists', watch.relists, { kind });
      this.#set('sourceErrors', watch.errors, { kind });
    }
    this.#setController(status.controller);
    for (const { pool, capacity, used } of pools) {
      this.#set('poolCapacity', capacity, { pool });
      this.#set('poolUsed', used, { pool });
    }
  }

  #setController(controller: StatusView['controller']): void {
    if (controller === undefined) return;
    this.#set('controllerLeads', controller.leads ? 1 : 0);
    for (const { name, family, size, used } of controller.pools ?? []) {
      this.#set('controllerAddresses', size, { pool: name, family });
      this.#set('controllerAddressesUsed', used, { pool: name, family });
    }
    if (controller.waiting !== undefined) this.#set('controllerWaiting', controller.waiting);
    const { status, events, failed } = controller.writes;
    this.#set('controllerWrites', status, { what: 'status' });
    this.#set('controllerWrites', events, { what: 'event' });
    this.#set('controllerWrites', failed, { what: 'failed' });
  }

  #setStats(stats: MetricsInput['stats']): void {
    for (const { reason, packets, bytes } of stats.drops) {
      this.#set('drops', packets, { reason });
      this.#set('dropBytes', bytes, { reason });
    }
    for (const { event, packets } of stats.events) this.#set('events', packets, { event });
  }
}
