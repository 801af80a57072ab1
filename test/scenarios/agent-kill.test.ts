/** kill -9 at many points of the start and of cleanup: what is left is always something to go on from. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as bench from './agent-bench.ts';
import { type RunningAgent, untilServing } from './agent-bench.ts';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Lines of the log that mark a point of the start; the agent is killed as soon as it has written one. */
const POINTS_OF_START = [
  'BPF file system mounted',
  'VIP device brought in order',
  'net/ipv4/conf/eth0/forwarding',
  'net/ipv4/conf/all/rp_filter',
  'dataplane loaded and attached',
  'agent started',
  'announcement: not-synced',
  'maps changed',
  'announcement: serving',
  'neighbour entries changed',
];

let before = '';
beforeAll(() => {
  bench.setUp();
  bench.writeConfig({ log: '{ level: debug }' });
  before = bench.dumpSysctls();
});
afterAll(() => bench.tearDown());

async function killAt(agent: RunningAgent, line: string): Promise<void> {
  await bench.until(line, agent.output, (text) => text.includes(line) || agent.child.exitCode !== null);
  expect(agent.output()).toContain(line);
  await bench.end(agent, 'SIGKILL');
}

async function expectClean(): Promise<void> {
  const { code, output } = await bench.cleanup();
  expect(code, output).toBe(0);
  expect(bench.pinsLeft()).toEqual([]);
  expect(bench.inside('ip', 'link')).not.toContain('lb-vip0');
  expect(bench.inside('ip', 'rule')).not.toContain('3200');
  expect(bench.inside('ip', 'neigh')).not.toContain('managed');
  expect(bench.xdpProgram()).toBeUndefined();
  expect(bench.dumpSysctls()).toBe(before);
}

/** Each point is a start of the agent, whose program the verifier has to walk through. */
const MANY_STARTS_MS = 400_000;

describe('killed during its start', { timeout: MANY_STARTS_MS }, () => {
  test('cleanup finds everything, wherever it was', async () => {
    for (const point of POINTS_OF_START) {
      await killAt(bench.run(), point);
      await expectClean();
    }
  });

  test('the next one goes on from there, and serves', async () => {
    await killAt(bench.run(), 'dataplane loaded and attached');
    const agent = bench.run();
    await untilServing(agent);
    const ids = bench.pinnedIds();
    for (const point of ['dataplane loaded and attached', 'agent started']) {
      await bench.end(agent, 'SIGKILL');
      await killAt(bench.run(), point);
      // Whatever the start had done: the program is there, and what was announced still is.
      expect(bench.xdpProgram()).toBeDefined();
      expect(bench.vipIsUp()).toBe(true);
    }
    const last = bench.run();
    await untilServing(last);
    expect(bench.pinnedIds()).toEqual(ids);
    await bench.end(last, 'SIGKILL');
  });
});

describe('killed during cleanup', { timeout: MANY_STARTS_MS }, () => {
  test('cleanup again takes away the rest', async () => {
    // From before its first step to after its last, however fast this machine is.
    for (let at = 0; at < 8; at++) {
      const agent = bench.run();
      await untilServing(agent);
      await bench.end(agent, 'SIGKILL');
      const cleaning = bench.startAgent('cleanup', '--config', bench.configFile);
      // Loading node and libraries is the most of it.
      await sleep(300 + at * 100);
      await bench.end(cleaning, 'SIGKILL');
      await expectClean();
    }
  });
});
