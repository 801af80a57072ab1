/**
 * Tunnel packets that came in fragments: the node program drops them, and whoever sent them hears nothing. So the
 * operator is to. Pure.
 */
import type { Problem } from '../services/desired-state.ts';

/** How long what was dropped is a problem, in ms: what goes on is seen again by then. */
export const FRAGMENTS_MATTER_MS = 600_000;

export interface FragmentsSeen {
  /** Dropped since the maps were made. */
  readonly packets: number;
  /** When it was more than before, in ms since 1970; undefined: not while anybody looked. */
  readonly grewAt: number | undefined;
}

/** What to remember of this look at the counter. before: of the last one; undefined at the first. */
export function lookAtFragments(
  packets: number,
  before: FragmentsSeen | undefined,
  now: number,
): FragmentsSeen {
  const grew = before !== undefined && packets > before.packets;
  return { packets, grewAt: grew ? now : before?.grewAt };
}

export function judgeFragments({ packets, grewAt }: FragmentsSeen, now: number): Problem[] {
  if (grewAt === undefined || now - grewAt > FRAGMENTS_MATTER_MS) return [];
  const message =
    `tunnel packets come in fragments and are dropped (fragment, ${packets} so far): the way from the LB nodes takes ` +
    'less than an IPv6 packet of 1280 bytes and its outer header; raise the MTU of all that is between LB nodes and ' +
    'this worker to 1312 at the very least, better to 1552';
  return [{ severity: 'error', code: 'tunnel-fragments', message }];
}
