/** The results as a plot: a bar a path on a logarithmic scale, its spread, its floor and its limit. */
import type { PathResult } from './report.ts';

const WIDTH = 860;
const LEFT = 250;
const RIGHT = 70;
const TOP = 56;
const ROW = 30;
const BAR = 16;

/** `snat-forward, 65,536 flows, 1,000 services` */
export function describePath(result: Pick<PathResult, 'path' | 'flows' | 'services'>): string {
  const count = (value: number) => value.toLocaleString('en-US');
  const flows = result.path === 'pass' ? '' : `, ${count(result.flows)} flow${result.flows === 1 ? '' : 's'}`;
  return `${result.path}${flows}${result.services > 1 ? `, ${count(result.services)} services` : ''}`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Where `ns` lies between 1 ns and the next power of ten above `highest`. At most 1 ns is the left end. */
export function logPosition(ns: number, highest: number): number {
  const decades = Math.max(1, Math.ceil(Math.log10(highest)));
  return LEFT + (Math.log10(Math.max(1, ns)) / decades) * (WIDTH - LEFT - RIGHT);
}

function axis(highest: number, bottom: number): string[] {
  const lines: string[] = [];
  for (let ns = 1; ns <= 10 ** Math.max(1, Math.ceil(Math.log10(highest))); ns *= 10) {
    const x = logPosition(ns, highest).toFixed(1);
    lines.push(`<line x1="${x}" y1="${TOP - 8}" x2="${x}" y2="${bottom}" stroke="#d7dbe0"/>`);
    lines.push(`<text x="${x}" y="${TOP - 14}" text-anchor="middle" fill="#667">${ns} ns</text>`);
  }
  return lines;
}

function row(result: PathResult, index: number, highest: number): string[] {
  const y = TOP + index * ROW;
  const middle = y + BAR / 2;
  const at = (ns: number) => logPosition(ns, highest).toFixed(1);
  const within = result.net_ns.median <= result.limit_ns;
  const width = (Number(at(result.net_ns.median)) - LEFT).toFixed(1);
  return [
    `<text x="${LEFT - 10}" y="${middle + 4}" text-anchor="end">${escapeXml(describePath(result))}</text>`,
    `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR}" fill="${within ? '#3b7dd8' : '#d8743b'}"/>`,
    `<line x1="${at(result.net_ns.min)}" y1="${middle}" x2="${at(result.net_ns.max)}" y2="${middle}" stroke="#123" stroke-width="2"/>`,
    `<line x1="${at(result.floor_ns)}" y1="${y - 3}" x2="${at(result.floor_ns)}" y2="${y + BAR + 3}" stroke="#2a9d55" stroke-width="3"/>`,
    `<line x1="${at(result.limit_ns)}" y1="${y - 3}" x2="${at(result.limit_ns)}" y2="${y + BAR + 3}" stroke="#c0392b" stroke-width="3" stroke-dasharray="4 2"/>`,
    `<text x="${WIDTH - RIGHT + 8}" y="${middle + 4}">${result.net_ns.median.toFixed(1)}</text>`,
  ];
}

/** A complete SVG document. */
export function plotSvg(results: readonly PathResult[]): string {
  const highest = Math.max(10, ...results.flatMap((result) => [result.net_ns.max, result.limit_ns]));
  const bottom = TOP + results.length * ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom + 34}" viewBox="0 0 ${WIDTH} ${bottom + 34}" font-family="sans-serif" font-size="12" fill="#223">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${LEFT}" y="20" font-size="15">Net cost of a packet in ns (median; line: lowest to highest round)</text>`,
    ...axis(highest, bottom),
    ...results.flatMap((result, index) => row(result, index, highest)),
    `<text x="${LEFT}" y="${bottom + 22}" fill="#667">green: floor of this machine; red: limit or goal, scaled to this machine</text>`,
    '</svg>',
    '',
  ].join('\n');
}
