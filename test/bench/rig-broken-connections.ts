/**
 * `make bench-consistency-rig`: broken connections by event with real connections through LB nodes in network
 * namespaces, beside what the simulation says of as many.
 *
 * CONNECTIONS=1000 STEP=500 SLOTS=65537 EVENTS='rolling' SCHEMES='hash first' OUT=bench-results
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { tablesBy } from './consistency/backend-set.ts';
import { numberFrom } from './consistency/numbers.ts';
import { SCENARIOS, type Scenario } from './consistency/scenarios.ts';
import { SCHEMES, type SchemeName } from './consistency/schemes.ts';
import { simulate } from './consistency/simulate.ts';
import { createEventRig } from './rig-consistency/event-rig.ts';
import { type RigEvent, rigMarkdown, rigSvg } from './rig-consistency/report.ts';
import { type RigResult, RigRun } from './rig-consistency/run-event.ts';
import { rigScheme } from './rig-consistency/schemes.ts';

const say = (line: string) => process.stderr.write(`${line}\n`);
/** Steps that the window of TCP takes. */
const WINDOW_STEPS = 15;
/** What the simulation tells apart, and the rig would in an hour. */
const ONLY_SIMULATED = /not ready|minutes after|silent/;

const kernel = openKernel();
const tableOf = tablesBy(kernel);
const settings = {
  connections: numberFrom('CONNECTIONS', 1000),
  step: numberFrom('STEP', 500),
  slots: numberFrom('SLOTS', 65_537),
};
const scenarios = SCENARIOS.filter(({ name }) => !ONLY_SIMULATED.test(name)).filter(({ name }) =>
  name.includes(process.env.EVENTS ?? ''),
);
const schemes = (Object.keys(SCHEMES) as SchemeName[]).filter((name) =>
  name.includes(process.env.SCHEMES ?? ''),
);

/** All events in turn through one set of nodes. */
async function throughNodes(scheme: SchemeName): Promise<RigResult[]> {
  const rig = await createEventRig('events');
  try {
    const options = { tableOf, window: WINDOW_STEPS * settings.step };
    const run = new RigRun(rig, rigScheme(scheme, rig, options), settings);
    const results: RigResult[] = [];
    for (const scenario of scenarios) {
      const result = await run.run(scenario);
      say(`${scenario.name}, ${scheme}: ${JSON.stringify(result)}`);
      results.push(result);
    }
    return results;
  } finally {
    await rig.destroy();
  }
}

function simulated(scenario: Scenario, scheme: SchemeName) {
  return simulate(scenario, scheme, {
    ...{ flows: settings.connections, slots: settings.slots, tableOf },
    ...{ window: 60 * WINDOW_STEPS, rememberedFlows: 65_536, rememberPerMinute: 240_000 },
  });
}

const events: RigEvent[] = scenarios.map(({ name }) => ({ event: name, schemes: {} }));
for (const scheme of schemes) {
  for (const [index, rig] of (await throughNodes(scheme)).entries()) {
    const scenario = scenarios[index] as Scenario;
    (events[index] as RigEvent).schemes[scheme] = { rig, simulated: simulated(scenario, scheme) };
  }
}
const report = { ...settings, windowSteps: WINDOW_STEPS, events };
const out = process.env.OUT || 'bench-results';
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'rig-connections.json'), `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(join(out, 'rig-connections.md'), rigMarkdown(report));
writeFileSync(join(out, 'rig-connections.svg'), rigSvg(report));
process.stdout.write(rigMarkdown(report));
say(`written: rig-connections.{json,md,svg} in ${out}`);
