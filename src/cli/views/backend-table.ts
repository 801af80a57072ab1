/** `lbctl backend list`: one line for each backend of each service. */
import type { BackendView, ServiceView } from '../../api/types.ts';
import { withPort } from '../../net/with-port.ts';
import { formatBytes, formatCount, formatShare } from '../humanize.ts';
import type { Frame } from '../present.ts';
import { serviceName } from '../select-services.ts';
import { type Cell, type Column, renderTable } from '../table.ts';
import { backendState } from './service-table.ts';

/** A backend, with the service it belongs to. */
export interface BackendRow extends BackendView {
  readonly frontend: string;
  /** `namespace/name`, or `-`. */
  readonly service: string;
}

export function backendRows(services: readonly ServiceView[]): BackendRow[] {
  return services.flatMap((service) =>
    service.backends.map((backend) => ({
      frontend: service.frontend,
      service: serviceName(service),
      ...backend,
    })),
  );
}

const COLUMNS: readonly Column[] = [
  { header: 'Backend' },
  { header: 'Frontend' },
  { header: 'State' },
  { header: 'Weight', align: 'right' },
  { header: 'Share', align: 'right' },
  { header: 'Active Flows', align: 'right' },
  { header: 'Next Hop' },
];

const WIDE_COLUMNS: readonly Column[] = [
  ...COLUMNS,
  { header: 'Index', align: 'right' },
  { header: 'Slots', align: 'right' },
  { header: 'Flows', align: 'right' },
  { header: 'Packets In', align: 'right' },
  { header: 'Bytes In', align: 'right' },
  { header: 'Packets Out', align: 'right' },
  { header: 'Bytes Out', align: 'right' },
  { header: 'Service', shrinkTo: 12 },
  { header: 'Pod', shrinkTo: 12 },
  { header: 'Node', shrinkTo: 8 },
];

export function renderBackends(rows: readonly BackendRow[], frame: Frame<BackendRow[]>): string {
  const cells = rows.map((row): Cell[] => [
    withPort(row.address, row.port),
    row.frontend,
    { text: backendState(row), style: row.state === 'active' ? 'good' : 'attention' },
    String(row.weight),
    formatShare(row.share),
    formatCount(row.activeFlows),
    { text: row.nextHop, style: row.nextHop === 'valid' ? 'plain' : 'attention' },
    ...(frame.wide ? wideCells(row) : []),
  ]);
  return renderTable(frame.wide ? WIDE_COLUMNS : COLUMNS, cells, frame);
}

function wideCells(row: BackendRow): Cell[] {
  return [
    String(row.index),
    String(row.slots),
    formatCount(row.traffic.flows),
    formatCount(row.traffic.packetsIn),
    formatBytes(row.traffic.bytesIn),
    formatCount(row.traffic.packetsOut),
    formatBytes(row.traffic.bytesOut),
    row.service,
    row.target ?? '-',
    row.node ?? '-',
  ];
}
