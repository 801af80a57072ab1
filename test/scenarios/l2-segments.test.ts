import { afterAll, beforeAll, expect, test } from 'vitest';
import * as bench from './agent-bench.ts';

/** Mode l2 and backends that are not on a segment of the node: the operator is told, and told when it is over. */

let agent: bench.RunningAgent;

beforeAll(async () => {
  bench.setUp();
  bench.inside('ip', 'route', 'add', '10.9.0.0/24', 'via', '192.0.2.2');
  bench.writeConfig({ mode: 'l2', dsr: '{}' });
  agent = bench.run();
  await bench.untilServing(agent);
});
afterAll(async () => {
  if (agent !== undefined) await bench.end(agent, 'SIGKILL');
  bench.tearDown();
});

const CODE = 'backend-off-segment';

test('a backend behind a gateway is a problem of its Service, until it is on the segment', async () => {
  const { problems } = await bench.untilStatus(agent, 'the problem', (view) =>
    view.problems.some(({ code }) => code === CODE),
  );
  const problem = problems.find(({ code }) => code === CODE);
  expect(problem).toMatchObject({
    severity: 'error',
    object: { kind: 'Service', namespace: 'default', name: 'web' },
    message: expect.stringContaining('these are not: 10.9.0.7 (behind gateway 192.0.2.2); '),
  });
  bench.inside('ip', 'route', 'replace', '10.9.0.0/24', 'dev', 'eth0');
  await bench.untilStatus(agent, 'no such problem', (view) =>
    view.problems.every(({ code }) => code !== CODE),
  );
});
