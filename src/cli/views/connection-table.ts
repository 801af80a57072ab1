/** `lbctl conn list`: one line for each flow. */
import type { ConnectionView } from '../../api/types.ts';
import { formatSeconds } from '../humanize.ts';
import type { Frame } from '../present.ts';
import { type Cell, type Column, renderTable } from '../table.ts';

const COLUMNS: readonly Column[] = [
  { header: 'Protocol' },
  { header: 'Client' },
  { header: 'Frontend' },
  { header: 'Backend' },
  { header: 'State' },
  { header: 'Idle', align: 'right' },
];

const WIDE_COLUMNS: readonly Column[] = [
  ...COLUMNS,
  { header: 'Expires In', align: 'right' },
  { header: 'SNAT' },
  { header: 'Service', shrinkTo: 12 },
];

export function renderConnections(connections: readonly ConnectionView[], frame: Frame<unknown>): string {
  const rows = connections.map((connection): Cell[] => [
    connection.protocol,
    connection.client,
    connection.frontend,
    connection.backend,
    connection.state,
    formatSeconds(connection.idleSeconds),
    ...(frame.wide
      ? [formatSeconds(connection.expiresInSeconds), connection.snat || '-', connection.service || '-']
      : []),
  ]);
  return renderTable(frame.wide ? WIDE_COLUMNS : COLUMNS, rows, frame);
}
