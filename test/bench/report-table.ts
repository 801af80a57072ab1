/** The results as text for people: Markdown, which is also what the terminal shows. */
import { referenceLimit } from './limits.ts';
import { describePath } from './plot.ts';
import type { BenchReport, PathResult } from './report.ts';
import { QUIET } from './rounds.ts';

export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((cells) => (cells[column] ?? '').length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

function pathRow(result: PathResult): string[] {
  const { kind } = referenceLimit(result.path, result.flows, result.services);
  const within = result.net_ns.median <= result.limit_ns;
  return [
    describePath(result),
    result.net_ns.median.toFixed(1),
    `${result.net_ns.min.toFixed(1)}..${result.net_ns.max.toFixed(1)}`,
    result.floor_ns.toFixed(1),
    result.floor_ns > 0 ? (result.net_ns.median / result.floor_ns).toFixed(1) : '-',
    `${result.limit_ns.toFixed(0)} (${kind})`,
    within ? 'within' : 'over',
  ];
}

export function reportMarkdown(report: BenchReport): string {
  const { machine, scale } = report;
  const parts = [
    '# Benchmark',
    `${machine.cpu}, ${machine.cpus} CPUs, ${machine.memoryMiB} MiB, Linux ${machine.kernel}, Node ${machine.node}. ` +
      `${machine.rounds} rounds on CPU ${machine.pinnedCpu}${machine.quick ? ', quick run' : ''}; ` +
      `load average ${machine.loadBefore} before, ${machine.loadAfter} after; ` +
      `${Math.round(machine.leftOut * 100)} % of the slices left out because the machine was slow around them` +
      `${machine.slowest > QUIET ? `, yet some that count were ${machine.slowest.toFixed(1)} times slower than the best` : ''}.`,
    'Net nanoseconds a packet; how they are measured and what they mean is in docs/benchmarks.md.',
    table(
      ['path', 'median', 'lowest..highest', 'floor', 'times floor', 'limit', ''],
      report.results.map(pathRow),
    ),
    table(
      ['floor', 'net ns'],
      Object.entries(report.floors).map(([name, ns]) => [name, ns.toFixed(1)]),
    ),
  ];
  if (report.maglev.length > 0) {
    parts.push(
      table(
        ['Maglev slots', 'backends', 'ms'],
        report.maglev.map(({ slots, backends, ms }) => [`${slots}`, `${backends}`, ms.toFixed(2)]),
      ),
    );
  }
  if ('services' in scale) {
    parts.push(
      table(
        [`${scale.services} services x ${scale.backends_per_service} backends`, ''],
        [
          ['first apply, ms', scale.apply_ms.toFixed(1)],
          [
            'one backend changed, ms',
            `${scale.change_ms.median.toFixed(1)} (${scale.change_ms.min.toFixed(1)}..${scale.change_ms.max.toFixed(1)})`,
          ],
          ['agent memory grown, MiB', scale.agent_rss_mib.toFixed(0)],
          ['maps, MiB', (scale.maps_bytes / 2 ** 20).toFixed(0)],
        ],
      ),
    );
  }
  return `${parts.join('\n\n')}\n`;
}
