/**
 * Did every iteration take the path that the scenario is about? The counters of the real program tell.
 * A scenario whose packets took another way would measure something else, so it fails the bench.
 */

/** Sums over all CPUs, services and backends, at one moment. */
export interface Counted {
  /** By the wrapper: iterations, and those that did not reach the program. */
  readonly iterations: number;
  readonly notReached: number;
  readonly servicePacketsIn: number;
  readonly servicePacketsOut: number;
  readonly serviceFlows: number;
  readonly backendPacketsIn: number;
  readonly backendPacketsOut: number;
  readonly backendFlows: number;
  /** Packets by the name of the reason or event; those that are zero may be missing. */
  readonly drops: Readonly<Record<string, number>>;
  readonly events: Readonly<Record<string, number>>;
}

/** What each iteration must have done. */
export interface Expected {
  readonly verdict: number;
  readonly packetsIn: 0 | 1;
  readonly packetsOut: 0 | 1;
  readonly newFlows: 0 | 1;
  /** Events that may be counted; any other event refuses the run, as does every drop. */
  readonly allowedEvents: readonly string[];
}

/** The iterations did not do what the scenario says. */
export class ProofError extends Error {
  constructor(scenario: string, reasons: readonly string[]) {
    super(`${scenario} did not take its path, nothing was measured: ${reasons.join('; ')}`);
    this.name = 'ProofError';
  }
}

function differences(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>) {
  return Object.entries(after)
    .map(([name, count]) => ({ name, count: count - (before[name] ?? 0) }))
    .filter(({ count }) => count !== 0);
}

/** What speaks against the run, each as a sentence; empty when the path is proved. */
export function objections(
  before: Counted,
  after: Counted,
  iterations: number,
  expected: Expected,
  verdict: number,
): string[] {
  const found: string[] = [];
  const expect = (what: string, from: number, to: number, each: number) => {
    const got = to - from;
    if (got !== each * iterations) found.push(`${what} counted ${got}, not ${each * iterations}`);
  };
  if (verdict !== expected.verdict) {
    found.push(`the last verdict was ${verdict}, not ${expected.verdict}`);
  }
  expect('iterations', before.iterations, after.iterations, 1);
  expect('iterations that did not reach the program', before.notReached, after.notReached, 0);
  expect('packets in, by service,', before.servicePacketsIn, after.servicePacketsIn, expected.packetsIn);
  expect('packets in, by backend,', before.backendPacketsIn, after.backendPacketsIn, expected.packetsIn);
  expect('packets out, by service,', before.servicePacketsOut, after.servicePacketsOut, expected.packetsOut);
  expect('packets out, by backend,', before.backendPacketsOut, after.backendPacketsOut, expected.packetsOut);
  expect('new flows, by service,', before.serviceFlows, after.serviceFlows, expected.newFlows);
  expect('new flows, by backend,', before.backendFlows, after.backendFlows, expected.newFlows);
  for (const { name, count } of differences(before.drops, after.drops)) {
    found.push(`${count} packets were dropped as ${name}`);
  }
  for (const { name, count } of differences(before.events, after.events)) {
    if (!expected.allowedEvents.includes(name)) found.push(`${name} was counted ${count} times`);
  }
  return found;
}
