/** A look at the maps takes its time: whatever happens between two pieces of it, it says nothing wrong. */
import { expect, test } from 'vitest';
import { inspectMaps, type MapsLook } from '../../../src/dataplane/inspect/open-inspector.ts';
import { unknownNames } from '../../../src/dataplane/service-names.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { runAtOnce, turn } from '../../../src/slices/run-in-slices.ts';
import { carryTraffic, PACKETS_EACH } from './carry-traffic.ts';
import { applierOn } from './fake-applier.ts';
import { FakeKernel } from './fake-kernel.ts';
import { SCOPE, ipipService as service } from './ipip-service.ts';

const clock = { hz: 100, now: () => 50 };

function makeAgent(kernel = new FakeKernel()) {
  const { maps } = kernel;
  const applier = applierOn(kernel, { clock, slice: 0 });
  const inspector = inspectMaps({
    kernel: kernel as unknown as Kernel,
    maps,
    clock,
    names: () => unknownNames(100),
    services: () => applier.services,
  });
  return { kernel, applier, inspector };
}

interface Shown {
  readonly port: number;
  readonly packets: number;
  readonly backends: ReadonlyArray<{ readonly address: string; readonly packets: number }>;
}

const shown = (look: MapsLook): Shown[] =>
  [...look.services()].map(({ port, traffic, backends }) => ({
    port,
    packets: traffic.packetsIn,
    backends: backends.map((one) => ({ address: one.address, packets: one.traffic.packetsIn })),
  }));

/** A look with something done before its piece of this number; undefined: it has fewer pieces. */
async function lookWhile(pause: number, act: (agent: ReturnType<typeof makeAgent>) => Promise<unknown>) {
  const agent = makeAgent();
  await agent.applier.apply([service(80, [1, 2, 3]), service(81, [4, 5])], SCOPE);
  carryTraffic(agent.kernel);
  const steps = agent.inspector.look();
  for (let piece = 0; ; piece++) {
    if (piece === pause) await act(agent);
    const step = steps.next();
    if (step.done === true) return piece < pause ? undefined : { ...agent, look: step.value };
  }
}

/** At every place where a look may pause. */
async function everywhere(
  act: (agent: ReturnType<typeof makeAgent>) => Promise<unknown>,
  check: (found: Shown[]) => void,
): Promise<void> {
  let pauses = 0;
  for (; ; pauses++) {
    const found = await lookWhile(pauses, act);
    if (found === undefined) break;
    check(shown(found.look));
  }
  expect(pauses).toBeGreaterThan(5);
}

test('a backend that goes takes nothing off the sum of its service, and adds nothing twice', async () => {
  await everywhere(
    ({ applier }) => applier.apply([service(80, [1]), service(81, [4, 5])], SCOPE),
    (found) => {
      expect(found.map(({ port, packets }) => [port, packets])).toEqual([
        [80, 3 * PACKETS_EACH],
        [81, 2 * PACKETS_EACH],
      ]);
    },
  );
});

test('whoever takes the place of another does not get its packets', async () => {
  await everywhere(
    // 81 goes, 82 takes its index and the entries of its backends.
    async ({ applier }) => {
      await applier.apply([service(80, [1, 2, 3])], SCOPE);
      await applier.apply([service(80, [1, 2, 3]), service(82, [6, 7])], SCOPE);
    },
    (found) => {
      expect(found.filter(({ port }) => port === 81)).toEqual([]);
      expect(found.find(({ port }) => port === 80)?.packets).toBe(3 * PACKETS_EACH);
      for (const { packets, backends } of found.filter(({ port }) => port === 82)) {
        expect([packets, ...backends.map((one) => one.packets)]).toEqual([0, 0, 0]);
      }
    },
  );
});

test('a service that changes while services are shown is shown whole, before or after', async () => {
  const agent = makeAgent();
  await agent.applier.apply([service(80, [1, 2]), service(81, [4, 5])], SCOPE);
  carryTraffic(agent.kernel);
  const steps = agent.inspector.look();
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const services = step.value.services();
  expect(services.next().value?.port).toBe(80);
  // The entries of 80's backends, and 81's own, are others' then.
  await agent.applier.apply([service(81, [5])], SCOPE);
  await agent.applier.apply([service(81, [5, 8]), service(83, [9])], SCOPE);
  const [rest, ...none] = [...services];
  expect(none).toEqual([]);
  expect(rest?.port).toBe(81);
  expect(rest?.traffic.packetsIn).toBe(2 * PACKETS_EACH);
  expect(rest?.backends.map((one) => [one.address, one.traffic.packetsIn])).toEqual([
    ['10.0.0.5', PACKETS_EACH],
    ['10.0.0.8', 0],
  ]);
  expect(rest?.backends.reduce((sum, { slots }) => sum + slots, 0)).toBe(rest?.tableSize);
});

test('a look that began before the agent had read the maps shows them as the agent has them then', async () => {
  for (let pause = 0; ; pause++) {
    const { kernel, applier } = makeAgent();
    await applier.apply([service(80, [1, 2]), service(81, [4, 5])], SCOPE);
    const { inspector, applier: next } = makeAgent(kernel);
    const steps = inspector.look();
    let step = steps.next();
    for (let piece = 0; piece < pause && step.done !== true; piece++) step = steps.next();
    if (step.done === true) break;
    await next.apply([service(80, [1])], SCOPE);
    while (step.done !== true) step = steps.next();
    expect(shown(step.value).map(({ port, backends }) => [port, backends.length])).toEqual([[80, 1]]);
    const { services, backends } = step.value.overview;
    expect([
      [2, 4],
      [1, 1],
    ]).toContainEqual([services, backends]);
  }
});

test('while maps change in pieces, no look sees less than was counted, or half a table', async () => {
  const { kernel, applier, inspector } = makeAgent();
  await applier.apply([service(80, [1, 2, 3, 4, 5, 6]), service(81, [7, 8, 9])], SCOPE);
  carryTraffic(kernel);
  let isDone = false;
  const change = applier.apply([service(80, [1]), service(82, [20, 21])], SCOPE).finally(() => {
    isDone = true;
  });
  const states = new Set<string>();
  while (!isDone) {
    const look = runAtOnce(inspector.look());
    for (const { port, packets } of shown(look)) {
      expect([port, packets]).toEqual([port, { 80: 6, 81: 3, 82: 0 }[port as 80] * PACKETS_EACH]);
    }
    for (const { tableSize, backends } of look.services()) {
      expect(backends.reduce((sum, { slots }) => sum + slots, 0)).toBe(tableSize);
    }
    states.add(JSON.stringify([look.overview, shown(look)]));
    await turn();
  }
  await change;
  expect(states.size).toBeGreaterThan(4);
  expect(shown(runAtOnce(inspector.look())).map(({ port }) => port)).toEqual([80, 82]);
});
