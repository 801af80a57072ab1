import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { refuseOtherRole } from '../../../src/agent/refuse-other-role.ts';
import { pinPath } from '../../../src/dataplane/maps.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-role-'));
  mkdirSync(join(directory, 'maps'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each([
  ['services', 'lb', 'node'],
  ['node_targets', 'node', 'lb'],
] as const)('the maps with %s are those of role %s, not of %s', (map, own, other) => {
  writeFileSync(pinPath(directory, map), '');
  expect(() => refuseOtherRole(directory, own)).not.toThrow();
  expect(() => refuseOtherRole(directory, other)).toThrow(`an agent with role ${own}`);
});
