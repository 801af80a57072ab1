/**
 * `make bench-consistency`: broken connections by event, simulated with the product's tables, planner and
 * window code and the model of the packet rule; and slots that change when backends fail.
 *
 * FLOWS=1000000 SLOTS=65537 OUT=bench-results
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { tablesBy } from './consistency/backend-set.ts';
import { changedSlots, FAILED_SHARES, TABLES } from './consistency/changed-slots.ts';
import { numberFrom } from './consistency/numbers.ts';
import {
  brokenSvg,
  type ConsistencyReport,
  changedSvg,
  consistencyMarkdown,
  type EventResult,
} from './consistency/report.ts';
import { SCENARIOS } from './consistency/scenarios.ts';
import { SCHEMES, type SchemeName } from './consistency/schemes.ts';
import { type SimulationResult, type SimulationSettings, simulate } from './consistency/simulate.ts';

const say = (line: string) => process.stderr.write(`${line}\n`);

const tableOf = tablesBy(openKernel());
const settings: SimulationSettings = {
  flows: numberFrom('FLOWS', 1_000_000),
  slots: numberFrom('SLOTS', 65_537),
  tableOf,
  window: 900,
  rememberedFlows: numberFrom('REMEMBERED', 65_536),
  // 1,000 a second on each of four CPUs.
  rememberPerMinute: 240_000,
};

const events = SCENARIOS.map((scenario): EventResult => {
  const schemes = {} as Record<SchemeName, SimulationResult>;
  for (const scheme of Object.keys(SCHEMES) as SchemeName[]) {
    const from = performance.now();
    schemes[scheme] = simulate(scenario, scheme, settings);
    const seconds = ((performance.now() - from) / 1000).toFixed(1);
    say(`${scenario.name}, ${scheme}: ${schemes[scheme].broken} broken (${seconds} s)`);
  }
  return { event: scenario.name, schemes };
});
const changed = TABLES.flatMap((table) =>
  FAILED_SHARES.map((share) => changedSlots(tableOf, table, share, 5)),
);
const report: ConsistencyReport = {
  flows: settings.flows,
  slots: settings.slots,
  windowSeconds: settings.window,
  rememberedFlows: settings.rememberedFlows,
  events,
  changed,
};
const out = process.env.OUT || 'bench-results';
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'broken-connections.json'), `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(join(out, 'broken-connections.md'), consistencyMarkdown(report));
writeFileSync(join(out, 'broken-connections.svg'), brokenSvg(report));
writeFileSync(join(out, 'changed-slots.svg'), changedSvg(report));
process.stdout.write(consistencyMarkdown(report));
say(`written: broken-connections.{json,md,svg} and changed-slots.svg in ${out}`);
