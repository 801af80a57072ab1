/** `lbctl service list`, in the look that operators know from Cilium. */
import type { BackendView, ServiceView } from '../../api/types.ts';
import { withPort } from '../../net/with-port.ts';
import { formatCount, formatShare } from '../humanize.ts';
import type { Frame } from '../present.ts';
import { serviceName } from '../select-services.ts';
import { type Cell, type Column, renderTable } from '../table.ts';

const COLUMNS: readonly Column[] = [
  { header: 'ID' },
  { header: 'Frontend', gap: 2 },
  { header: 'Service Type' },
  { header: 'Backend' },
];

const WIDE_COLUMNS: readonly Column[] = [
  { header: 'ID' },
  { header: 'Frontend', gap: 2 },
  { header: 'Service Type' },
  { header: 'Mode' },
  { header: 'Service', shrinkTo: 12 },
  { header: 'Backend' },
  { header: 'Weight', align: 'right' },
  { header: 'Share', align: 'right' },
  { header: 'Active Flows', align: 'right' },
  { header: 'Packets In', align: 'right' },
  { header: 'Packets Out', align: 'right' },
];

export function renderServices(services: readonly ServiceView[], frame: Frame<ServiceView[]>): string {
  const rows = services.flatMap((service) => {
    const head: Cell[] = [String(service.id), service.frontend, service.type];
    if (frame.wide) head.push(service.mode, serviceName(service));
    const backends = service.backends.map((backend, index) => [
      backendCell(backend, index),
      ...(frame.wide ? traffic(backend) : []),
    ]);
    if (backends.length === 0) backends.push([{ text: '-', style: 'bad' }]);
    // What belongs to the service stands in the first of its lines only.
    return backends.map((cells, index): Cell[] => [...(index === 0 ? head : head.map(() => '')), ...cells]);
  });
  return renderTable(frame.wide ? WIDE_COLUMNS : COLUMNS, rows, frame);
}

function backendCell(backend: BackendView, index: number): Cell {
  const text = `${index + 1} => ${withPort(backend.address, backend.port)} (${backendState(backend)})`;
  return { text, style: backend.state === 'active' ? 'plain' : 'attention' };
}

/** `active`, `draining: terminating`. */
export function backendState(backend: Pick<BackendView, 'state' | 'reason'>): string {
  return backend.reason === undefined ? backend.state : `${backend.state}: ${backend.reason}`;
}

function traffic(backend: BackendView): Cell[] {
  return [
    String(backend.weight),
    formatShare(backend.share),
    formatCount(backend.activeFlows),
    formatCount(backend.traffic.packetsIn),
    formatCount(backend.traffic.packetsOut),
  ];
}
