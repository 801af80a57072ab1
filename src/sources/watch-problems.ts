/** What following an API server says to people. Pure. */
import type { ReflectorState } from '../kubernetes/reflector.ts';
import type { Problem } from '../services/desired-state.ts';
import type { WatchStatus } from './source.ts';

/** Milliseconds: an outage that is shorter is over before somebody can look. */
const SERIOUS_AFTER = 30_000;

export interface FollowedKind {
  readonly kind: WatchStatus['kind'];
  /** '' for all. */
  readonly namespace: string;
  readonly state: ReflectorState;
}

/** `location` is the server or where its address comes from; now in milliseconds since 1970. */
export function watchProblems(followed: FollowedKind, location: string, now: number): Problem[] {
  const { kind, namespace, state } = followed;
  const what = `${kind}s${namespace === '' ? '' : ` in namespace ${namespace}`}`;
  const problems: Problem[] = [];
  if (state.failure !== undefined) {
    const { message, since } = state.failure;
    const rest = state.synced
      ? 'maps and announcement stay as they are until it answers'
      : 'nothing is taken out of the maps before it has answered';
    problems.push({
      severity: now - since < SERIOUS_AFTER ? 'warning' : 'error',
      code: 'source-unreachable',
      message: `the API server of ${location}, asked for ${what}, ${message}; since ${new Date(since).toISOString()}; ${rest}`,
    });
  }
  if (state.doubted) {
    problems.push({
      severity: 'warning',
      code: 'source-empty',
      message: `the API server of ${location} has no ${what}${state.synced ? ' any more' : ''}; this is believed after a second look`,
    });
  }
  return problems;
}

/** One line a kind, whatever the number of namespaces: the worst of them. */
export function watchStatus(kind: WatchStatus['kind'], states: readonly ReflectorState[]): WatchStatus {
  const heard = states.flatMap(({ lastHeardAt }) => lastHeardAt ?? []);
  return {
    kind,
    synced: states.every(({ synced }) => synced),
    connected: states.every(({ connected }) => connected),
    ...(heard.length < states.length ? {} : { lastHeardAt: Math.min(...heard) }),
    relists: states.reduce((sum, { relists }) => sum + relists, 0),
    errors: states.reduce((sum, { errors }) => sum + errors, 0),
  };
}
