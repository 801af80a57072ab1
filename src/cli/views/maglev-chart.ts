/** `lbctl maglev show`: how the slots of a table are shared out. */
import type { MaglevView } from '../../api/types.ts';
import { withPort } from '../../net/with-port.ts';
import { displayWidth } from '../display-width.ts';
import { formatSeconds, formatShare } from '../humanize.ts';
import type { Frame } from '../present.ts';
import { type Cell, type Column, renderFields, renderTable } from '../table.ts';

const COLUMNS: readonly Column[] = [
  { header: 'Backend' },
  { header: 'Weight', align: 'right' },
  { header: 'Wanted', align: 'right' },
  { header: 'Slots', align: 'right' },
  { header: 'Share', align: 'right' },
  { header: '' },
];

/** Columns of the longest bar; less on a narrow terminal. */
const BAR = 40;
const SMALLEST_BAR = 5;

export function renderMaglev(tables: readonly MaglevView[], frame: Frame<MaglevView[]>): string {
  return tables.map((table) => chart(table, frame)).join('\n');
}

function chart(table: MaglevView, frame: Frame<MaglevView[]>): string {
  const fields = renderFields(
    [
      ['Frontend', table.frontend],
      ['Service', table.name || '-'],
      ['Slots', String(table.tableSize)],
      ['Fingerprint', table.fingerprint],
      ['Window', table.window === undefined ? undefined : describeWindow(table.window)],
      ['Backends', table.backends.length === 0 ? { text: 'none', style: 'bad' } : undefined],
    ],
    frame,
  );
  if (table.backends.length === 0) return frame.headers ? fields : '';
  const largest = Math.max(...table.backends.map((backend) => backend.share));
  const rows = table.backends.map((backend): Cell[] => [
    withPort(backend.address, backend.port),
    String(backend.weight),
    formatWanted(backend.wanted),
    String(backend.slots),
    formatShare(backend.share),
  ]);
  const plain = renderTable(COLUMNS, rows, { ...frame, width: undefined, styler: (_style, text) => text });
  const used = Math.max(...plain.split('\n').map((line) => displayWidth(line))) + 3;
  const room = Math.max(SMALLEST_BAR, Math.min(BAR, (frame.width ?? used + BAR) - used));
  const bars = table.backends.map((backend, index): Cell[] => [
    ...(rows[index] ?? []),
    { text: bar(largest === 0 ? 0 : backend.share / largest, room, frame.unicode), style: 'good' },
  ]);
  return (frame.headers ? `${fields}\n` : '') + renderTable(COLUMNS, bars, frame);
}

function describeWindow({
  open,
  endsInSeconds,
  trackedSlots,
  rememberedFlows,
}: NonNullable<MaglevView['window']>): string {
  const end = open ? `open for another ${formatSeconds(endsInSeconds)}` : 'over';
  return `${end}, ${trackedSlots} slots tracked, ${rememberedFlows} flows remembered`;
}

/** The quota before it was rounded to whole slots. */
function formatWanted(slots: number): string {
  return Number.isInteger(slots) ? String(slots) : slots.toFixed(1);
}

function bar(part: number, room: number, unicode: boolean): string {
  const length = part === 0 ? 0 : Math.max(1, Math.round(part * room));
  return (unicode ? '█' : '#').repeat(length);
}
