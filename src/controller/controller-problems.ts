/** What the controller says to people. Pure. */
import type { ControllerConfig } from '../config/config.ts';
import type { Problem } from '../services/desired-state.ts';
import type { Assignment } from './allocate.ts';
import type { LeaderState } from './leader.ts';

export interface ControllerFacts {
  readonly leader: LeaderState;
  readonly lease: ControllerConfig['lease'];
  /** Why nothing can be written; since: milliseconds since 1970. */
  readonly failure: { readonly message: string; readonly since: number } | undefined;
  /** namespace/name of Services whose status the server does not take, to what it said. */
  readonly refused: ReadonlyMap<string, string>;
  readonly assignments: readonly Assignment[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** An outage that is shorter is over before somebody can look. */
const SERIOUS_AFTER_MS = 30_000;
const REST = 'maps, announcement and the addresses of Services stay as they are';

export function controllerProblems(facts: ControllerFacts): Problem[] {
  const { leader, lease, failure, refused, assignments, now } = facts;
  const problems: Problem[] = [];
  const add = (code: string, what: string, since: number): void => {
    const severity = now - since < SERIOUS_AFTER_MS ? 'warning' : 'error';
    const message = `${what}; since ${new Date(since).toISOString()}; ${REST}`;
    problems.push({ severity, code, message });
  };
  if (leader.failure !== undefined) {
    const what = `the API server, asked for Lease ${lease.namespace}/${lease.name}, ${leader.failure.message}`;
    add('lease-unreachable', what, leader.failure.since);
  }
  if (failure !== undefined)
    add('write-failed', `the API server, written to, ${failure.message}`, failure.since);
  for (const [key, message] of refused) {
    const [namespace = '', name = ''] = key.split('/');
    const object = { kind: 'Service', namespace, name };
    problems.push({ severity: 'error', code: 'status-refused', message: `its status: ${message}`, object });
  }
  for (const { service, satisfied, reason, message } of assignments) {
    if (satisfied && reason === 'Allocated') continue;
    const { namespace, name } = service;
    const code = reason.replace(
      /[A-Z]/g,
      (letter, at: number) => `${at === 0 ? '' : '-'}${letter.toLowerCase()}`,
    );
    const severity = satisfied ? 'warning' : 'error';
    problems.push({ severity, code, message, object: { kind: 'Service', namespace, name } });
  }
  return problems;
}
