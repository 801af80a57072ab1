import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { BackendView, ServiceView, StatsView, StatusView, TrafficView } from '../../../src/api/types.ts';
import { metricTable } from '../../../src/metrics/metric-table.ts';
import { Metrics, type MetricsInput } from '../../../src/metrics/metrics.ts';
import { MAX_BACKEND_SERIES } from '../../../src/metrics/service-series.ts';

const traffic = (base: number): TrafficView => ({
  packetsIn: base,
  bytesIn: base * 100,
  packetsOut: base + 1,
  bytesOut: base * 200,
  flows: base + 2,
});

function backend(index: number, state: BackendView['state'] = 'active'): BackendView {
  return {
    index,
    address: `10.0.${index >> 8}.${index & 255}`,
    port: 8080,
    state,
    weight: 1,
    slots: 1,
    share: 1,
    nextHop: 'valid',
    activeFlows: 1,
    traffic: traffic(index),
  };
}

function service(name: string, backends: BackendView[]): ServiceView {
  return {
    id: 1,
    vip: '10.1.0.2',
    port: 80,
    protocol: 'TCP',
    frontend: `10.1.0.2:80/TCP/${name}`,
    type: 'ExternalIPs',
    namespace: 'default',
    name,
    mode: 'snat',
    tableSize: 251,
    backends,
    activeFlows: 5,
    traffic: traffic(7),
    drops: { DROP_TTL: 3, DROP_NO_FLOW: 0 },
  };
}

const status: StatusView = {
  node: 'lb1',
  version: '0.1.0',
  agent: 'running',
  health: 'ok',
  hashSeedFingerprint: 'abcd0123',
  layoutVersion: 1,
  devices: [{ name: 'eth0', mode: 'xdp', attached: true, programId: 4 }],
  vip: { device: 'lb-vip0', up: true, addresses: [], announce: 'yes' },
  source: {
    kind: 'manifests',
    location: '/m',
    synced: true,
    lastChangeAt: '2026-01-01T00:00:00.000Z',
    objects: 2,
  },
  services: 1,
  backends: 2,
  activeFlows: 5,
  snat: { addresses: [], ports: '1-2', records: 100, used: 10 },
  memory: { mapsBytes: 4096 },
  problems: [{ severity: 'warning', code: 'x', message: 'y' }],
};
const stats: StatsView = {
  drops: [{ reason: 'DROP_TTL', packets: 3, bytes: 300, help: '' }],
  events: [{ event: 'EVENT_REJECTED', packets: 2, bytes: 0, help: '' }],
  services: [],
};
const input = (services: ServiceView[]): MetricsInput => ({
  status,
  services,
  stats,
  pools: [{ pool: 'services', capacity: 100, used: 1 }],
  drained: false,
  startedAt: 1_700_000_000_000,
});

async function textOf(metrics: Metrics, services: ServiceView[]): Promise<string> {
  const pieces: string[] = [];
  for await (const piece of metrics.render(input(services))) pieces.push(Buffer.from(piece).toString());
  return pieces.join('');
}

const lines = async (metrics: Metrics, services: ServiceView[]): Promise<string[]> =>
  (await textOf(metrics, services)).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('metrics', () => {
  test('show what the maps count, the same at every scrape', async () => {
    const metrics = new Metrics();
    const services = [service('web', [backend(1), backend(2, 'draining')])];
    const first = await lines(metrics, services);
    for (const line of [
      'l4lb_agent_info{version="0.1.0",node="lb1",hash_seed_fingerprint="abcd0123",layout_version="1"} 1',
      'l4lb_service_packets_total{namespace="default",service="web",frontend="10.1.0.2:80/TCP/web",direction="in"} 7',
      'l4lb_service_packets_total{namespace="default",service="web",frontend="10.1.0.2:80/TCP/web",direction="out"} 8',
      'l4lb_service_drops_total{namespace="default",service="web",frontend="10.1.0.2:80/TCP/web",reason="DROP_TTL"} 3',
      'l4lb_backend_flows_total{namespace="default",service="web",frontend="10.1.0.2:80/TCP/web",backend="10.0.0.2:8080"} 4',
      'l4lb_backends{state="draining"} 1',
      'l4lb_drops_total{reason="DROP_TTL"} 3',
      'l4lb_events_total{event="EVENT_REJECTED"} 2',
      'l4lb_pool_used{pool="services"} 1',
      'l4lb_source_last_change_timestamp_seconds 1767225600',
      'l4lb_problems{severity="warning"} 1',
      'l4lb_metrics_backends_omitted 0',
    ]) {
      expect(first).toContain(line);
    }
    expect(first.some((line) => line.includes('DROP_NO_FLOW'))).toBe(false);
    const steady = (all: string[]): string[] =>
      all.filter((line) => !/^l4lb_agent_(cpu|resident)/.test(line));
    expect(steady(await lines(metrics, services))).toEqual(steady(first));
  });

  test('a service that is gone leaves no series behind', async () => {
    const metrics = new Metrics();
    await lines(metrics, [service('web', [backend(1)])]);
    expect((await lines(metrics, [])).some((line) => line.includes('service="web"'))).toBe(false);
  });

  test('what the agent counts itself stays across scrapes', async () => {
    const metrics = new Metrics();
    metrics.observeApply(0.003);
    metrics.countApplyFailure();
    await lines(metrics, []);
    const second = await lines(metrics, []);
    expect(second).toContain('l4lb_apply_duration_seconds_count 1');
    expect(second).toContain('l4lb_apply_duration_seconds_bucket{le="0.005"} 1');
    expect(second).toContain('l4lb_apply_failures_total 1');
  });

  test('too many backends: whole services are left out and counted', async () => {
    const many = Array.from({ length: MAX_BACKEND_SERIES }, (_, index) => backend(index));
    const all = await lines(new Metrics(), [
      service('a', [backend(1)]),
      service('b', many),
      service('c', [backend(2)]),
    ]);
    const shown = all.filter((line) => line.startsWith('l4lb_backend_flows_total'));
    expect(shown.map((line) => /service="(\w)"/.exec(line)?.[1])).toEqual(['a', 'c']);
    expect(all).toContain(`l4lb_metrics_backends_omitted ${MAX_BACKEND_SERIES}`);
    expect(all).toContain(`l4lb_backends{state="active"} ${MAX_BACKEND_SERIES + 2}`);
  });
});

describe('the table in docs/operations.md', () => {
  test('is the registry', async () => {
    const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `(l4lb_[a-z_]+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$/gm)].map((row) =>
      row.slice(1, 5).map((cell) => cell.trim()),
    );
    expect(rows).toEqual(
      Object.values(metricTable).map(({ name, type, labels, help }) => [
        name,
        type,
        labels.map((label) => `\`${label}\``).join(', '),
        help,
      ]),
    );
    const text = await textOf(new Metrics(), []);
    const registered = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) => [name, help]);
    const sorted = (pairs: unknown[]): string[] => pairs.map((pair) => JSON.stringify(pair)).sort();
    expect(sorted(registered)).toEqual(sorted(rows.map(([name, , , help]) => [name, help])));
  });
});
