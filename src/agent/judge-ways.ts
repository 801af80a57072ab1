/** What is wrong with the ways to the backends. */
import type { Link } from '../node/ip.ts';
import type { NextHopBook } from '../node/next-hop-book.ts';
import type { DesiredService, Problem } from '../services/desired-state.ts';
import { judgeSegments } from './judge-segments.ts';
import { judgeTunnelRoom } from './tunnel-room.ts';

export interface Ways {
  readonly services: readonly DesiredService[];
  readonly nextHops: Pick<NextHopBook, 'hopOf'>;
  readonly links: readonly Link[];
}

/** Logs what was not so before. May pause. */
export function* judgeWays(
  { services, nextHops, links }: Ways,
  before: readonly Problem[],
  log: { warn(message: string): void },
): Generator<void, Problem[]> {
  const hopOf = (address: string) => nextHops.hopOf(address);
  const segments = yield* judgeSegments(services, hopOf);
  const problems = [...segments, ...(yield* judgeTunnelRoom(services, hopOf, links))];
  for (const { message } of problems) {
    if (!before.some((known) => known.message === message)) log.warn(message);
  }
  return problems;
}
