/** Whether a changed configuration can take effect in the running agent. Pure. */

import { type ChangeEffect, type ConfigChange, compareConfigs } from '../config/compare-configs.ts';
import type { Config } from '../config/config.ts';

export interface ReloadDecision {
  readonly verdict: 'unchanged' | 'reload' | 'swap' | 'refused';
  /** Keys that differ. */
  readonly changed: readonly string[];
  /** When refused: what keeps it from taking effect, and what to do. */
  readonly message?: string;
}

const REMEDIES: ReadonlyArray<readonly [ChangeEffect, string]> = [
  [
    'cleanup',
    'stop the agent, run lb-agent cleanup with the old configuration, and start it with the new one',
  ],
  ['restart', 'restart the agent; packets are forwarded meanwhile'],
];

/** All or nothing: a half-applied file would be a configuration that nobody wrote. */
export function decideReload(old: Config, next: Config): ReloadDecision {
  return judgeChanges(compareConfigs(old, next));
}

/** The same for changes of another kind of configuration. */
export function judgeChanges(changes: readonly ConfigChange[]): ReloadDecision {
  const changed = changes.map(({ key }) => key);
  for (const [effect, remedy] of REMEDIES) {
    const keys = changes.filter(({ how }) => how === effect).map(({ key }) => key);
    if (keys.length === 0) continue;
    const message = `a change of ${keys.join(', ')} needs more than a reload; nothing was changed. To bring it into effect: ${remedy}`;
    return { verdict: 'refused', changed, message };
  }
  if (changes.length === 0) return { verdict: 'unchanged', changed };
  return { verdict: changes.some(({ how }) => how === 'swap') ? 'swap' : 'reload', changed };
}
