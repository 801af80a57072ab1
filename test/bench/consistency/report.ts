/** What the simulations found, as tables and plots. */
import type { ChangedSlots } from './changed-slots.ts';
import type { SchemeName } from './schemes.ts';
import type { SimulationResult } from './simulate.ts';

export interface EventResult {
  readonly event: string;
  readonly schemes: Readonly<Record<SchemeName, SimulationResult>>;
}

export interface ConsistencyReport {
  readonly flows: number;
  readonly slots: number;
  readonly windowSeconds: number;
  readonly rememberedFlows: number;
  readonly events: readonly EventResult[];
  readonly changed: readonly ChangedSlots[];
}

/** In the order of tables and plots. */
export const NAMES: readonly SchemeName[] = ['pure Maglev', 'Maglev and a full flow table', 'hash first'];
const COLOURS = ['#c0392b', '#3b7dd8', '#2a9d55'] as const;
export const count = (value: number): string => value.toLocaleString('en-US');
const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

export function consistencyMarkdown(report: ConsistencyReport): string {
  return [
    `${count(report.flows)} connections, ${count(report.slots)} slots; broken connections:`,
    '',
    '| event | pure Maglev | Maglev and a full flow table | hash first | lost with their backend | entries: full table | hash first | slots tracked, at most |',
    '|---|--:|--:|--:|--:|--:|--:|--:|',
    ...report.events.map(({ event, schemes }) => {
      const [pure, table, ours] = NAMES.map((name) => schemes[name]) as [
        SimulationResult,
        SimulationResult,
        SimulationResult,
      ];
      const cells = [pure.broken, table.broken, ours.broken, ours.lost, table.entries, ours.entries].map(
        count,
      );
      return `| ${event} | ${cells.join(' | ')} | ${percent(ours.tracked)} |`;
    }),
    '',
    'Slots of backends that stay and change their owner, when some fail at once:',
    '',
    '| slots | backends | failed | changed |',
    '|--:|--:|--:|--:|',
    ...report.changed.map(
      ({ slots, backends, failed, changed }) =>
        `| ${count(slots)} | ${count(backends)} | ${failed} | ${percent(changed)} |`,
    ),
    '',
  ].join('\n');
}

const LEFT = 390;
const WIDTH = 900;
const ROW = 52;

/** A bar for each scheme, in the order of {@link NAMES}; NaN: not measured. */
export interface Row {
  readonly label: string;
  readonly broken: readonly number[];
}

/** Bars by event and scheme, on a logarithmic scale that ends at `most`. */
export function barsSvg(title: string, rows: readonly Row[], most: number): string {
  const at = (value: number): number =>
    value < 1 ? 0 : ((Math.log10(value) + 0.3) / (Math.log10(most) + 0.3)) * (WIDTH - LEFT - 90);
  const bars = rows.flatMap(({ label, broken }, index) => {
    const y = 70 + index * ROW;
    const own = broken.flatMap((value, scheme) => {
      if (Number.isNaN(value)) return [];
      const top = y + scheme * 13;
      return [
        `<rect x="${LEFT}" y="${top}" width="${at(value).toFixed(1)}" height="11" fill="${COLOURS[scheme]}"/>`,
        `<text x="${(LEFT + 5 + at(value)).toFixed(1)}" y="${top + 10}" font-size="11">${count(value)}</text>`,
      ];
    });
    return [`<text x="${LEFT - 10}" y="${y + 23}" text-anchor="end">${label}</text>`, ...own];
  });
  const legend = NAMES.map((name, scheme) => {
    const x = LEFT + scheme * 170;
    return `<rect x="${x}" y="34" width="11" height="11" fill="${COLOURS[scheme]}"/><text x="${x + 16}" y="44">${name}</text>`;
  });
  return svg(70 + rows.length * ROW, [
    `<text x="${LEFT}" y="20" font-size="15">${title}</text>`,
    ...legend,
    ...bars,
  ]);
}

export function brokenSvg({ events, flows }: ConsistencyReport): string {
  const rows = events.map(({ event, schemes }) => {
    return { label: event, broken: NAMES.map((name) => schemes[name].broken) };
  });
  return barsSvg(`Broken of ${count(flows)} connections (logarithmic)`, rows, flows);
}

const PLOT = { left: 70, right: 870, top: 50, bottom: 360 };

/** A line a table: changed slots against the share of backends that failed. */
export function changedSvg({ changed }: ConsistencyReport): string {
  const highest = Math.max(...changed.map((each) => each.changed));
  const x = (share: number): number => PLOT.left + (share / 0.5) * (PLOT.right - PLOT.left - 190);
  const y = (share: number): number => PLOT.bottom - (share / highest) * (PLOT.bottom - PLOT.top);
  const tables = [...new Set(changed.map(({ slots, backends }) => `${slots} ${backends}`))];
  const lines = tables.flatMap((table, index) => {
    const colour = ['#c0392b', '#d8743b', '#3b7dd8', '#2a9d55'][index % 4];
    const own = changed.filter(({ slots, backends }) => `${slots} ${backends}` === table);
    const points = own.map((each) => [x(each.failed / each.backends), y(each.changed)] as const);
    const [slots, backends] = table.split(' ').map(Number) as [number, number];
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map((point) => point.map((n) => n.toFixed(1)).join()).join(' ')}"/>`,
      `<text x="${PLOT.right - 180}" y="${80 + index * 20}" fill="${colour}">${count(slots)} slots, ${count(backends)} backends</text>`,
    ];
  });
  const axes = [0, 0.1, 0.2, 0.3, 0.4, 0.5].map(
    (share) =>
      `<text x="${x(share)}" y="${PLOT.bottom + 20}" text-anchor="middle">${Math.round(share * 100)} %</text>`,
  );
  const levels = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const level = y(highest * part).toFixed(1);
    return `<line x1="${PLOT.left}" x2="${x(0.5)}" y1="${level}" y2="${level}" stroke="#d7dbe0"/><text x="${PLOT.left - 8}" y="${Number(level) + 4}" text-anchor="end">${percent(highest * part)}</text>`;
  });
  return svg(PLOT.bottom + 50, [
    `<text x="${PLOT.left}" y="24" font-size="15">Slots of backends that stay and change their owner, by share of backends that fail at once</text>`,
    ...levels,
    ...axes,
    ...lines,
  ]);
}

function svg(height: number, content: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#223">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...content,
    '</svg>',
    '',
  ].join('\n');
}
