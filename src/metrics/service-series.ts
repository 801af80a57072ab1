/** What the metrics say of each service and each backend. */
import type { ServiceView, TrafficView } from '../api/types.ts';
import { withPort } from '../net/with-port.ts';
import { inSlices } from '../slices/run-in-slices.ts';
import { metricTable } from './metric-table.ts';
import { labelText, SeriesText } from './series-text.ts';

/** Series for each backend up to this many backends: four counters of two directions are enough then. */
export const MAX_BACKEND_SERIES = 10_000;

const KEYS = [
  'servicePackets',
  'serviceBytes',
  'serviceFlows',
  'serviceActiveFlows',
  'serviceBackends',
  'serviceDrops',
  'backendPackets',
  'backendBytes',
  'backendFlows',
] as const;

export type ServiceSeries = Readonly<Record<(typeof KEYS)[number], SeriesText>>;

export interface ServiceSums {
  readonly services: number;
  readonly active: number;
  readonly draining: number;
  /** Backends without series of their own. */
  readonly omitted: number;
}

export function isOfService(key: string): boolean {
  return (KEYS as readonly string[]).includes(key);
}

export function newSeries(): ServiceSeries {
  return Object.fromEntries(KEYS.map((key) => [key, new SeriesText(metricTable[key])])) as ServiceSeries;
}

export async function addServices(
  series: ServiceSeries,
  services: Iterable<ServiceView>,
): Promise<ServiceSums> {
  const sums = { services: 0, active: 0, draining: 0, omitted: 0 };
  let shown = 0;
  for await (const service of inSlices(services)) {
    const labels = addService(series, service);
    sums.services += 1;
    for (const { state } of service.backends) sums[state] += 1;
    // All backends of a service or none, so that sums over a service mean something.
    if (shown + service.backends.length > MAX_BACKEND_SERIES) {
      sums.omitted += service.backends.length;
      continue;
    }
    shown += service.backends.length;
    for (const { address, port, traffic } of service.backends) {
      const ofBackend = `${labels},${labelText({ backend: withPort(address, port) })}`;
      addTraffic(series.backendPackets, series.backendBytes, ofBackend, traffic);
      series.backendFlows.add(ofBackend, traffic.flows);
    }
  }
  return sums;
}

/** Returns the labels. */
function addService(series: ServiceSeries, service: ServiceView): string {
  const { namespace, name, frontend, traffic, activeFlows, backends, drops } = service;
  const labels = labelText({ namespace, service: name, frontend });
  addTraffic(series.servicePackets, series.serviceBytes, labels, traffic);
  series.serviceFlows.add(labels, traffic.flows);
  series.serviceActiveFlows.add(labels, activeFlows);
  const draining = backends.filter(({ state }) => state === 'draining').length;
  series.serviceBackends.add(`${labels},state="active"`, backends.length - draining);
  series.serviceBackends.add(`${labels},state="draining"`, draining);
  for (const [reason, count] of Object.entries(drops)) {
    if (count > 0) series.serviceDrops.add(`${labels},${labelText({ reason })}`, count);
  }
  return labels;
}

function addTraffic(packets: SeriesText, bytes: SeriesText, labels: string, traffic: TrafficView): void {
  packets.add(`${labels},direction="in"`, traffic.packetsIn);
  packets.add(`${labels},direction="out"`, traffic.packetsOut);
  bytes.add(`${labels},direction="in"`, traffic.bytesIn);
  bytes.add(`${labels},direction="out"`, traffic.bytesOut);
}
