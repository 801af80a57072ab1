/** A short run of what `make bench-consistency-rig` does: events with real connections, through agents. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { tablesBy } from '../bench/consistency/backend-set.ts';
import { SCENARIOS, type Scenario } from '../bench/consistency/scenarios.ts';
import { createEventRig } from '../bench/rig-consistency/event-rig.ts';
import { RigRun } from '../bench/rig-consistency/run-event.ts';
import { rigScheme } from '../bench/rig-consistency/schemes.ts';
import type { Rig } from '../rig/rig.ts';

const SETTINGS = { connections: 300, slots: 4099, step: 300 };
/** Steps after the last change, and of the window: it ends while connections go on. */
const AFTERWARDS = 9;
const WINDOW = 6 * SETTINGS.step;

let rig: Rig;
let run: RigRun;
beforeAll(async () => {
  rig = await createEventRig('events-test');
  const options = { tableOf: tablesBy(openKernel()), window: WINDOW };
  run = new RigRun(rig, rigScheme('hash first', rig, options), SETTINGS);
});
afterAll(() => rig?.destroy());

function shortened(name: string): Scenario {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (scenario === undefined) throw new Error(`no scenario "${name}"`);
  const last = Math.max(...Object.keys(scenario.script).map(Number));
  return { ...scenario, minutes: last + AFTERWARDS };
}

describe('real connections through an event', () => {
  it.each(['backend added', 'rolling update of 3 backends, one a minute'])(
    'none breaks: %s',
    async (name) => {
      const result = await run.run(shortened(name));
      console.log(`${name}: ${JSON.stringify(result)}`);
      expect(result).toMatchObject({ broken: 0, refused: 0 });
      expect(result.begun).toBeGreaterThan(SETTINGS.connections);
    },
  );

  it('none of those from before breaks: a backend added and a node lost together', async () => {
    const result = await run.run(shortened('backend added and load balancer lost in the same minute'));
    console.log(`added and lost: ${JSON.stringify(result)}`);
    expect(result.broken).toBe(result.brokenYoung);
    expect(result).toMatchObject({ lost: 0, refused: 0 });
  });
});
