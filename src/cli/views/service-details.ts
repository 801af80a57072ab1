/** `lbctl service get`: everything about a service on one page. */
import type { ServiceView } from '../../api/types.ts';
import { withPort } from '../../net/with-port.ts';
import { formatBytes, formatCount, formatShare, plural } from '../humanize.ts';
import type { Frame } from '../present.ts';
import { serviceName } from '../select-services.ts';
import { type Cell, type Column, renderFields, renderTable } from '../table.ts';
import { backendState } from './service-table.ts';

const BACKEND_COLUMNS: readonly Column[] = [
  { header: 'Backend' },
  { header: 'State' },
  { header: 'Weight', align: 'right' },
  { header: 'Share', align: 'right' },
  { header: 'Active Flows', align: 'right' },
  { header: 'Flows', align: 'right' },
  { header: 'Packets In', align: 'right' },
  { header: 'Packets Out', align: 'right' },
  { header: 'Next Hop' },
  { header: 'Pod', shrinkTo: 12 },
  { header: 'Node', shrinkTo: 8 },
];

export function renderServiceDetails(services: readonly ServiceView[], frame: Frame<ServiceView[]>): string {
  return services.map((service) => details(service, frame)).join('\n');
}

function details(service: ServiceView, frame: Frame<ServiceView[]>): string {
  const { traffic } = service;
  const dropped = Object.entries(service.drops).filter(([, packets]) => packets > 0);
  const sources = service.sourceRanges ?? ['everybody'];
  const fields = renderFields(
    [
      ['Service', serviceName(service)],
      ['Port name', service.portName],
      ['Frontend', service.frontend],
      ['ID', String(service.id)],
      ['Type', service.type],
      ['Mode', service.mode],
      ['Affinity', service.affinity],
      ['Hash', service.hash],
      ['Clients', sources.length === 0 ? { text: 'nobody', style: 'bad' } : undefined],
      ...sources.map((range, index): [string, Cell] => [index === 0 ? 'Clients' : '', range]),
      ['Table', `${service.tableSize} slots`],
      ['Active flows', formatCount(service.activeFlows)],
      ['New flows', formatCount(traffic.flows)],
      ['Traffic in', `${plural(traffic.packetsIn, 'packet')}, ${formatBytes(traffic.bytesIn)}`],
      ['Traffic out', `${plural(traffic.packetsOut, 'packet')}, ${formatBytes(traffic.bytesOut)}`],
      ['Dropped', dropped.length === 0 ? 'nothing' : undefined],
      ...dropped.map(([reason, packets], index): [string, Cell] => [
        index === 0 ? 'Dropped' : '',
        { text: `${reason}: ${plural(packets, 'packet')}`, style: 'attention' },
      ]),
      ['Backends', service.backends.length === 0 ? { text: 'none', style: 'bad' } : undefined],
    ],
    frame,
  );
  if (service.backends.length === 0) return fields;
  const rows = service.backends.map((backend): Cell[] => [
    withPort(backend.address, backend.port),
    { text: backendState(backend), style: backend.state === 'active' ? 'good' : 'attention' },
    String(backend.weight),
    formatShare(backend.share),
    formatCount(backend.activeFlows),
    formatCount(backend.traffic.flows),
    formatCount(backend.traffic.packetsIn),
    formatCount(backend.traffic.packetsOut),
    { text: backend.nextHop, style: backend.nextHop === 'valid' ? 'plain' : 'attention' },
    backend.target ?? '-',
    backend.node ?? '-',
  ]);
  return `${fields}\n${renderTable(BACKEND_COLUMNS, rows, frame)}`;
}
