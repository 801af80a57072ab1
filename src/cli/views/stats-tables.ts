/** `lbctl stats`: what was dropped and why, what else was counted, and the traffic of each service. */
import type { StatsView } from '../../api/types.ts';
import { formatBytes, formatCount, formatRate } from '../humanize.ts';
import type { Frame } from '../present.ts';
import { type Cell, type Column, renderTable } from '../table.ts';

type ServiceStats = StatsView['services'][number];

interface Counted {
  readonly name: string;
  readonly packets: number;
  readonly bytes: number;
  readonly help: string;
}

/** @param all false: what is zero is left out. */
export function renderStats(stats: StatsView, frame: Frame<StatsView>, all: boolean): string {
  const before = frame.previous?.data;
  const drops = stats.drops.map((drop) => ({ ...drop, name: drop.reason }));
  const events = stats.events.map((event) => ({ ...event, name: event.event }));
  const sections = [
    counterSection(
      'Reason',
      'Drops',
      drops,
      before?.drops.map((drop) => ({ ...drop, name: drop.reason })),
      frame,
      all,
    ),
    counterSection(
      'Event',
      'Events',
      events,
      before?.events.map((event) => ({ ...event, name: event.event })),
      frame,
      all,
    ),
    serviceSection(stats.services, before?.services, frame, all),
  ];
  return sections.join(frame.headers ? '\n' : '');
}

function counterSection(
  header: string,
  title: string,
  counters: readonly Counted[],
  before: readonly Counted[] | undefined,
  frame: Frame<StatsView>,
  all: boolean,
): string {
  const earlier = new Map(before?.map((counter) => [counter.name, counter.packets]));
  const rows = counters
    .filter((counter) => all || counter.packets > 0)
    .sort((a, b) => b.packets - a.packets)
    .map((counter): Cell[] => [
      counter.name,
      formatCount(counter.packets),
      ...rateCells(counter.packets, earlier.get(counter.name), frame),
      formatBytes(counter.bytes),
      { text: counter.help, style: 'quiet' },
    ]);
  const columns: Column[] = [
    { header },
    { header: 'Packets', align: 'right' },
    ...rateColumns(frame),
    { header: 'Bytes', align: 'right' },
    { header: 'Meaning', shrinkTo: 20 },
  ];
  return titled(title, rows.length === 0 ? 'none' : undefined, renderTable(columns, rows, frame), frame);
}

function serviceSection(
  services: readonly ServiceStats[],
  before: readonly ServiceStats[] | undefined,
  frame: Frame<StatsView>,
  all: boolean,
): string {
  const earlier = new Map(before?.map((service) => [service.frontend, service.traffic.packetsIn]));
  const rows = services
    .filter((service) => all || service.traffic.packetsIn + service.traffic.packetsOut + dropped(service) > 0)
    .map((service): Cell[] => [
      service.frontend,
      service.name || '-',
      formatCount(service.traffic.flows),
      formatCount(service.traffic.packetsIn),
      ...rateCells(service.traffic.packetsIn, earlier.get(service.frontend), frame),
      formatBytes(service.traffic.bytesIn),
      formatCount(service.traffic.packetsOut),
      formatBytes(service.traffic.bytesOut),
      { text: dropText(service, frame.wide), style: dropped(service) > 0 ? 'attention' : 'plain' },
    ]);
  const columns: Column[] = [
    { header: 'Frontend' },
    { header: 'Service', shrinkTo: 12 },
    { header: 'Flows', align: 'right' },
    { header: 'Packets In', align: 'right' },
    ...rateColumns(frame),
    { header: 'Bytes In', align: 'right' },
    { header: 'Packets Out', align: 'right' },
    { header: 'Bytes Out', align: 'right' },
    { header: 'Dropped', align: frame.wide ? 'left' : 'right' },
  ];
  return titled('Services', rows.length === 0 ? 'none' : undefined, renderTable(columns, rows, frame), frame);
}

function dropped(service: ServiceStats): number {
  return Object.values(service.drops).reduce((sum, packets) => sum + packets, 0);
}

function dropText(service: ServiceStats, wide: boolean): string {
  const total = dropped(service);
  if (!wide || total === 0) return formatCount(total);
  return Object.entries(service.drops)
    .filter(([, packets]) => packets > 0)
    .map(([reason, packets]) => `${reason} ${formatCount(packets)}`)
    .join(', ');
}

/** A rate needs two looks: the column is there with --watch from the second on. */
function rateColumns(frame: Frame<StatsView>): Column[] {
  return frame.previous === undefined ? [] : [{ header: 'Rate', align: 'right' }];
}

function rateCells(count: number, earlier: number | undefined, frame: Frame<StatsView>): Cell[] {
  if (frame.previous === undefined) return [];
  const { seconds } = frame.previous;
  // Counters start anew with a new map: a count below the last one is no rate.
  if (earlier === undefined || count < earlier || seconds <= 0) return ['-'];
  return [formatRate((count - earlier) / seconds)];
}

function titled(title: string, nothing: string | undefined, table: string, frame: Frame<StatsView>): string {
  if (!frame.headers) return table;
  if (nothing !== undefined) return `${frame.styler('header', `${title}:`)} ${nothing}\n`;
  return `${frame.styler('header', `${title}:`)}\n${table}`;
}
