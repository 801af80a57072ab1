import { describe, expect, it } from 'vitest';
import { describePath, logPosition, plotSvg } from '../../bench/plot.ts';
import type { BenchReport, PathResult } from '../../bench/report.ts';
import { reportMarkdown } from '../../bench/report-table.ts';

const within: PathResult = {
  path: 'snat-forward',
  flows: 65536,
  services: 1000,
  net_ns: { median: 80, min: 75, max: 90 },
  floor_ns: 40,
  limit_ns: 110,
};
const over: PathResult = { ...within, path: 'pass', flows: 1, services: 1, limit_ns: 8 };
const report: BenchReport = {
  machine: {
    cpu: 'Test CPU',
    cpus: 2,
    memoryMiB: 1024,
    kernel: '6.18.0',
    node: 'v20.20.2',
    pinnedCpu: 1,
    loadBefore: 0.1,
    loadAfter: 1.1,
    leftOut: 0.25,
    slowest: 1.1,
    rounds: 5,
    quick: false,
  },
  floors: { parse: 2, parse_lru: 26 },
  results: [within, over],
  maglev: [{ slots: 65537, backends: 1000, ms: 1.234 }],
  scale: {},
};

describe('the plot', () => {
  it('is well formed, with a bar a path', () => {
    const svg = plotSvg([within, over]);
    const opened = svg.match(/<(svg|text|rect|line)\b/g)?.length ?? 0;
    const closed = svg.match(/(\/>|<\/(svg|text)>)/g)?.length ?? 0;
    expect(opened).toBe(closed);
    expect(svg).not.toContain('NaN');
    expect(svg.match(/#3b7dd8/g)).toHaveLength(1);
    expect(svg.match(/#d8743b/g)).toHaveLength(1);
  });

  it('shows a path over its limit in another colour', () => {
    expect(plotSvg([over])).not.toContain('#3b7dd8');
  });

  it('has the same step for each decade', () => {
    const step = logPosition(10, 900) - logPosition(1, 900);
    expect(logPosition(100, 900) - logPosition(10, 900)).toBeCloseTo(step);
    expect(logPosition(-3, 900)).toBe(logPosition(1, 900));
  });

  it('names paths in words', () => {
    expect(describePath(within)).toBe('snat-forward, 65,536 flows, 1,000 services');
    expect(describePath(over)).toBe('pass');
    expect(describePath({ path: 'snat-reply', flows: 1, services: 1 })).toBe('snat-reply, 1 flow');
  });
});

describe('the table', () => {
  const text = reportMarkdown(report);

  it('says what is within its limit and what is over', () => {
    expect(text).toMatch(/snat-forward, 65,536 flows, 1,000 services \|.*80\.0 .* 110 \(goal\) \| within/);
    expect(text).toMatch(/pass +\|.* 8 \(limit\) \| +over/);
  });

  it('says how many times the floor a path costs', () => {
    expect(text).toMatch(/snat-forward.*\| +40\.0 \| +2\.0 \|/);
  });

  it('holds the machine, the floors and the Maglev times', () => {
    expect(text).toContain('Test CPU, 2 CPUs, 1024 MiB, Linux 6.18.0');
    expect(text).toContain('25 % of the slices left out because the machine was slow around them.');
    const noisy = { ...report, machine: { ...report.machine, slowest: 1.94 } };
    expect(reportMarkdown(noisy)).toContain('yet some that count were 1.9 times slower than the best.');
    expect(text).toMatch(/parse_lru \| +26\.0/);
    expect(text).toMatch(/65537 +\| +1000 \| 1\.23/);
  });
});
