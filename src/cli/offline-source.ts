/** The views from the pinned maps, when there is no agent. Everything heavy is imported only here. */
import { type AgentUnreachableError, CliError } from './cli-error.ts';
import { EXIT } from './exit-codes.ts';
import type { Locations } from './locations.ts';
import type { Source } from './source.ts';

/**
 * @param absence why the agent was not asked; undefined with --offline.
 * @throws CliError when there are no pinned maps, or they may not be read.
 */
export async function offlineSource(
  locations: Locations,
  absence: AgentUnreachableError | undefined,
): Promise<Source> {
  throw new CliError(
    EXIT.unreachable,
    absence === undefined
      ? `There are no pinned maps in ${locations.bpfDirectory}.`
      : `The agent does not listen on ${absence.socketPath} (${absence.code}), and there are no pinned maps in ${locations.bpfDirectory}.`,
    'Start lb-agent, or name the right places by --socket and --bpf-directory (or --config FILE).',
  );
}
