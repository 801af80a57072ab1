/** Escaping, widths, numbers and tables. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { displayWidth, truncateToWidth } from '../../../src/cli/display-width.ts';
import { escapeInQuotes, escapeLines, escapeText } from '../../../src/cli/escape-text.ts';
import {
  formatBytes,
  formatCount,
  formatRate,
  formatSeconds,
  formatShare,
  plural,
} from '../../../src/cli/humanize.ts';
import { toJson, toYaml } from '../../../src/cli/output-format.ts';
import { sortRows } from '../../../src/cli/sort-rows.ts';
import { isUnicodeLocale, makeStyler, wantsColours } from '../../../src/cli/style.ts';
import { type Column, type Layout, renderFields, renderTable } from '../../../src/cli/table.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 30 });
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

describe('escaping', () => {
  it.each([
    ['\x1b[31mred\x1b[0m', '\\x1b[31mred\\x1b[0m'],
    ['a\nb\r\tc', 'a\\x0ab\\x0d\\x09c'],
    ['\x9b31m\x7f', '\\x9b31m\\x7f'],
    ['web\u202egnp', 'web\\u202egnp'],
    ['zero\u200bwidth\ufeff', 'zero\\u200bwidth\\ufeff'],
    ['lonely \ud83d', 'lonely \\ud83d'],
    ['Grüße 東京 😀', 'Grüße 東京 😀'],
  ])('of %j', (text, escaped) => {
    expect(escapeText(text)).toBe(escaped);
  });

  it('leaves nothing that a terminal acts on', () => {
    fc.assert(fc.property(anyText, (text) => !CONTROLS.test(escapeText(text))));
    fc.assert(fc.property(anyText, (text) => !CONTROLS.test(escapeLines(text).replaceAll('\n', ''))));
  });

  it('keeps JSON and YAML what they were, without a control character in them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ name: anyText, 'k\x9b': anyText })), async (data) => {
        const { parse } = await import('yaml');
        const [json, yaml] = [toJson(data), await toYaml(data)];
        expect(JSON.parse(json)).toEqual(data);
        expect(parse(yaml)).toEqual(data);
        expect(CONTROLS.test((json + yaml).replaceAll('\n', ''))).toBe(false);
      }),
    );
    expect(escapeInQuotes('"\x9b"')).toBe('"\\u009b"');
  });
});

describe('display width', () => {
  it.each([
    ['abc', 3],
    ['Grüße', 5],
    ['e\u0301', 1],
    ['東京', 4],
    ['😀', 2],
    ['', 0],
  ])('of %j is %i', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it('is what a cut text keeps to', () => {
    expect(truncateToWidth('default/dns', 8)).toBe('default…');
    expect(truncateToWidth('東京東京', 4)).toBe('東…');
    expect(truncateToWidth('short', 8)).toBe('short');
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 40 }), (text, columns) => {
        return displayWidth(truncateToWidth(text, columns)) <= columns;
      }),
    );
  });
});

describe('numbers', () => {
  it.each([
    [0, '0'],
    [9_999, '9999'],
    [10_000, '10.0 K'],
    [12_345, '12.3 K'],
    [99_949, '99.9 K'],
    [99_950, '100 K'],
    [999_499, '999 K'],
    [999_950, '1.0 M'],
    [1_234_567, '1.2 M'],
    [9_007_199_254_740_991, '9.0 P'],
  ])('formatCount(%i) is %s', (count, text) => {
    expect(formatCount(count)).toBe(text);
  });
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_048_575, '1.0 MiB'],
    [134_217_728, '128 MiB'],
  ])('formatBytes(%i) is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
  it.each([
    [0, '0.0 %'],
    [0.0001, '< 0.1 %'],
    [1 / 3, '33.3 %'],
    [1, '100.0 %'],
  ])('formatShare(%d) is %s', (share, text) => {
    expect(formatShare(share)).toBe(text);
  });
  it.each([
    [-1, '0s'],
    [0.9, '0s'],
    [59, '59s'],
    [60, '1m'],
    [330, '5m30s'],
    [7_797, '2h9m'],
    [86_400, '1d'],
    [90_061, '1d1h'],
    [86_460, '1d'],
  ])('formatSeconds(%d) is %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
  it('shows a rate that is no whole number as more than nothing', () => {
    expect([0, 0.2, 1, 12_345].map(formatRate)).toEqual(['0/s', '< 1/s', '1/s', '12.3 K/s']);
    expect([plural(1, 'object'), plural(0, 'object')]).toEqual(['1 object', '0 objects']);
  });
});

describe('tables', () => {
  const layout: Layout = { styler: makeStyler(false), headers: true, width: undefined, unicode: true };
  const columns: Column[] = [
    { header: 'Name', shrinkTo: 6 },
    { header: 'Count', align: 'right' },
    { header: 'Last', gap: 1 },
  ];

  it('align by display width and leave no space at the end of a line', () => {
    const rows = [
      ['東京', '5', 'x'],
      ['a', '12345678', ''],
      ['', '', 'only '],
    ];
    expect(renderTable(columns, rows, layout)).toBe(
      ['Name      Count   Last', '東京          5   x', 'a      12345678', '                  only', ''].join(
        '\n',
      ),
    );
  });

  it('shrink only on a terminal, only columns that may, and not below their least', () => {
    const rows = [['a-rather-long-name', '1', 'also-long']];
    const lines = (width: number | undefined) =>
      renderTable(columns, rows, { ...layout, width }).split('\n')[1];
    expect(lines(undefined)).toBe('a-rather-long-name       1   also-long');
    expect(lines(30)).toBe('a-rather-…       1   also-long');
    expect(lines(10)).toBe('a-rat…       1   also-long');
    expect(renderTable(columns, rows, { ...layout, width: 30, unicode: false })).toContain('a-rather-~');
  });

  it('keep every row on one line, whatever the cells are', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, anyText, anyText)), fc.option(fc.nat(120)), (rows, width) => {
        const text = renderTable(columns, rows, { ...layout, width: width ?? undefined });
        const lines = text.split('\n');
        expect(lines).toHaveLength(rows.length + 2);
        for (const line of lines) expect(line).not.toMatch(/ $/);
      }),
    );
  });

  it('print nothing for no rows without headers, and the header for no rows', () => {
    expect(renderTable(columns, [], { ...layout, headers: false })).toBe('');
    expect(renderTable(columns, [], layout)).toBe('Name   Count   Last\n');
  });

  it('colour by meaning without moving anything', () => {
    const coloured = { ...layout, styler: makeStyler(true) };
    const rows = [[{ text: 'down', style: 'bad' as const }, '1', 'x']];
    const text = renderTable(columns, rows, coloured);
    expect(text).toContain('\x1b[31mdown\x1b[39m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours
    expect(text.replace(/\x1b\[\d+m/g, '')).toBe(renderTable(columns, rows, layout));
  });

  it('of fields leave out what is not there', () => {
    const fields = [
      ['Node', 'lb-1'],
      ['Health', undefined],
      ['Devices', 'eth0'],
      ['', 'eth1'],
    ] as const;
    expect(renderFields(fields, layout)).toBe('Node:      lb-1\nDevices:   eth0\n           eth1\n');
  });
});

describe('colours', () => {
  it('are for terminals whose user wants them', () => {
    expect(wantsColours(true, true, {})).toBe(true);
    expect(wantsColours(false, true, {})).toBe(false);
    expect(wantsColours(true, false, {})).toBe(false);
    expect(wantsColours(true, true, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColours(true, true, { NO_COLOR: '' })).toBe(true);
    expect(wantsColours(true, true, { TERM: 'dumb' })).toBe(false);
  });
  it('and characters outside ASCII for locales that have them', () => {
    expect(isUnicodeLocale({ LANG: 'en_US.UTF-8' })).toBe(true);
    expect(isUnicodeLocale({ LANG: 'en_US.UTF-8', LC_ALL: 'C' })).toBe(false);
    expect(isUnicodeLocale({})).toBe(false);
  });
});

describe('sorting', () => {
  it('compares digits in texts as numbers, and keeps the order of equals', () => {
    const rows = [
      { a: '10.1.0.10', n: 1 },
      { a: '10.1.0.9', n: 2 },
      { a: '10.1.0.10', n: 3 },
    ];
    const order = (sorted: typeof rows) => sorted.map(({ n }) => n);
    expect(order(sortRows(rows, (row) => row.a, false))).toEqual([2, 1, 3]);
    expect(order(sortRows(rows, (row) => row.a, true))).toEqual([1, 3, 2]);
    expect(order(sortRows(rows, (row) => ({ descending: row.n }), false))).toEqual([3, 2, 1]);
    expect(order(sortRows(rows, (row) => ({ ascending: row.n }), false))).toEqual([1, 2, 3]);
    expect(order(sortRows(rows, undefined, true))).toEqual([3, 2, 1]);
  });
});
