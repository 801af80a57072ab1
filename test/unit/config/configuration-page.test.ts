import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CHANGE_RULES } from '../../../src/config/compare-configs.ts';
import { NODE_CHANGE_RULES } from '../../../src/config/compare-node-configs.ts';
import { configKeys } from '../../../src/config/config-keys.ts';
import { configSchema } from '../../../src/config/config-schema.ts';
import { nodeConfigSchema } from '../../../src/config/node-schema.ts';

/** Rows of the tables of the page: | `key` | value | default | change | meaning | */
function rowsOfPage(page: string): Map<string, { allowed: string; default: string; how: string }> {
  const rows = new Map<string, { allowed: string; default: string; how: string }>();
  for (const line of readFileSync(page, 'utf8').split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const key = /^`([a-zA-Z.[\]]+)`$/.exec(cells[1] ?? '')?.[1];
    if (key === undefined || cells.length !== 7) continue;
    expect(rows.has(key), `${key} has two rows`).toBe(false);
    rows.set(key, { allowed: cells[2] ?? '', default: cells[3] ?? '', how: cells[4] ?? '' });
  }
  return rows;
}

const PAGES = [
  { page: 'docs/configuration.md', schema: configSchema, rules: CHANGE_RULES },
  { page: 'docs/node.md', schema: nodeConfigSchema, rules: NODE_CHANGE_RULES },
] as const;

test.each(PAGES)('$page has every key with its type, default and how it changes, and no other', (of) => {
  const how = new Map(of.rules.map((rule) => [rule.key, rule.how]));
  const expected = configKeys(of.schema).map((key) => [
    key.key,
    {
      allowed: key.allowed,
      default: key.default ?? 'required',
      how: how.get(key.key),
    },
  ]);
  expect(Object.fromEntries(rowsOfPage(of.page))).toEqual(Object.fromEntries(expected));
});
