/**
 * Tables in the manner of kubectl: aligned columns, nothing but spaces between them, none at a line's end.
 * Every cell is escaped here, so that no renderer can forget it.
 */
import { displayWidth, truncateToWidth } from './display-width.ts';
import { escapeText } from './escape-text.ts';
import type { Style, Styler } from './style.ts';

export interface StyledText {
  readonly text: string;
  readonly style: Style;
}

export type Cell = string | StyledText;

export interface Column {
  readonly header: string;
  readonly align?: 'left' | 'right';
  /** Spaces between this column and the next; default 3. */
  readonly gap?: number;
  /** On a terminal too narrow for the table, the column may be cut to so many columns. */
  readonly shrinkTo?: number;
}

/** What the output is written for. */
export interface Layout {
  readonly styler: Styler;
  readonly headers: boolean;
  /** Columns of the terminal; undefined when the output goes elsewhere, where nothing is ever cut. */
  readonly width: number | undefined;
  /** Whether the locale has characters outside ASCII. */
  readonly unicode: boolean;
}

/** The table with a line end after every line; the header too when there are no rows. */
export function renderTable(
  columns: readonly Column[],
  rows: ReadonlyArray<readonly Cell[]>,
  layout: Layout,
): string {
  const header: Cell[] = columns.map((column) => ({ text: column.header, style: 'header' }));
  const lines = layout.headers ? [header, ...rows] : rows;
  const texts = lines.map((cells) => columns.map((_, index) => escapeText(cellText(cells[index])).trimEnd()));
  const widths = fitWidths(columns, texts, layout.width);
  const ellipsis = layout.unicode ? '…' : '~';

  return lines
    .map((cells, row) => {
      let line = '';
      let pending = '';
      for (const [index, column] of columns.entries()) {
        const width = widths[index] ?? 0;
        const text = truncateToWidth(texts[row]?.[index] ?? '', width, ellipsis);
        const space = ' '.repeat(width - displayWidth(text));
        if (text !== '') {
          line +=
            pending + (column.align === 'right' ? space : '') + layout.styler(cellStyle(cells[index]), text);
          pending = column.align === 'right' ? '' : space;
        } else {
          pending += space;
        }
        pending += ' '.repeat(column.gap ?? 3);
      }
      return `${line}\n`;
    })
    .join('');
}

/** `Name:   value` lines, the values aligned; entries without a value are left out. */
export function renderFields(
  fields: ReadonlyArray<readonly [string, Cell | undefined]>,
  layout: Layout,
): string {
  const present = fields.filter((field): field is readonly [string, Cell] => field[1] !== undefined);
  const columns: Column[] = [{ header: '' }, { header: '' }];
  const rows = present.map(([name, value]): Cell[] => [
    { text: name === '' ? '' : `${name}:`, style: 'header' },
    value,
  ]);
  return renderTable(columns, rows, { ...layout, headers: false, width: undefined });
}

export function cellText(cell: Cell | undefined): string {
  return cell === undefined ? '' : typeof cell === 'string' ? cell : cell.text;
}

function cellStyle(cell: Cell | undefined): Style {
  return cell === undefined || typeof cell === 'string' ? 'plain' : cell.style;
}

/** Widths by content; on a narrow terminal the widest of the columns that may shrink give first. */
function fitWidths(
  columns: readonly Column[],
  texts: ReadonlyArray<readonly string[]>,
  terminalWidth: number | undefined,
): number[] {
  const widths = columns.map((_, index) =>
    texts.reduce((widest, cells) => Math.max(widest, displayWidth(cells[index] ?? '')), 0),
  );
  if (terminalWidth === undefined) return widths;
  const gaps = columns.slice(0, -1).reduce((sum, column) => sum + (column.gap ?? 3), 0);
  let excess = gaps + widths.reduce((sum, width) => sum + width, 0) - terminalWidth;
  while (excess > 0) {
    let widest = -1;
    for (const [index, column] of columns.entries()) {
      const width = widths[index] ?? 0;
      if (column.shrinkTo === undefined || width <= column.shrinkTo) continue;
      if (widest === -1 || width > (widths[widest] ?? 0)) widest = index;
    }
    if (widest === -1) return widths;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}
