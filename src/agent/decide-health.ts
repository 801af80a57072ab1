/** One line for `status`: `ok`, or the most serious thing that is wrong. Pure. */
import type { Problem } from '../services/desired-state.ts';

export interface HealthFacts {
  /** Why the maps could not be brought to the desired state, or the VIP device not changed. */
  readonly failure?: string;
  readonly missingDevices: readonly string[];
  /** There, but without our program. */
  readonly detachedDevices: readonly string[];
  readonly sourceSynced: boolean;
  readonly problems: readonly Problem[];
}

export function decideHealth(facts: HealthFacts): string {
  const [missing] = facts.missingDevices;
  if (missing !== undefined) return `device ${missing} is not there`;
  const [detached] = facts.detachedDevices;
  if (detached !== undefined) return `device ${detached} does not have our program`;
  if (facts.failure !== undefined) return facts.failure;
  if (!facts.sourceSynced) {
    const reason = facts.problems.find(({ code }) => code === 'source-unreachable');
    const rest = reason === undefined ? '' : `: ${reason.message}`;
    return `the source has not given a complete list yet${rest}`;
  }
  const errors = facts.problems.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  if (first === undefined) return 'ok';
  return errors.length === 1 ? first.message : `${errors.length} errors, the first: ${first.message}`;
}
