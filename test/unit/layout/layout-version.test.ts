/** Maps that an older agent left are taken over: what they hold changes with LAYOUT_VERSION only. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type MapLayouts, readMapLayouts } from '../../golden/map-layouts.ts';

const golden = JSON.parse(
  readFileSync(new URL('../../golden/map-layouts.json', import.meta.url), 'utf8'),
) as MapLayouts;
const built = readMapLayouts();

/** What is recorded must be so; more may have come. */
describe.each(['maps', 'structs', 'enums', 'constants'] as const)('%s', (part) => {
  it.each(Object.keys(golden[part]))('%s is as recorded for this LAYOUT_VERSION', (name) => {
    const remedy =
      'raise LAYOUT_VERSION in bpf/types.h, then record it: node_modules/.bin/tsx test/golden/write-map-layouts.ts';
    const [recorded, found] = [golden[part][name], built[part][name]];
    if (part === 'enums') expect(found, remedy).toMatchObject(recorded as Record<string, number>);
    else expect(found, remedy).toEqual(recorded);
  });
});

it('is the version that was recorded', () => {
  expect(built.layoutVersion).toBe(golden.layoutVersion);
});

it('knows of the maps of all programs', () => {
  expect(Object.keys(built.maps)).toEqual(
    expect.arrayContaining(['services', 'flows4', 'flow_records', 'node_flows', 'node_targets']),
  );
});
