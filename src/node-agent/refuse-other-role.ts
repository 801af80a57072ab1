/** An agent of one role does not take over the maps of the other. */
import { existsSync } from 'node:fs';
import { AgentError, exitCodes } from '../agent/exit-codes.ts';
import { pinPath } from '../dataplane/maps.ts';

/** Throws an AgentError when an LB node's maps are pinned where this worker's shall be. */
export function refuseOtherRole({ bpfDirectory }: { readonly bpfDirectory: string }): void {
  if (!existsSync(pinPath(bpfDirectory, 'services'))) return;
  throw new AgentError(
    exitCodes.configuration,
    `bpfDirectory: ${bpfDirectory} holds the maps of an agent with role lb; run lb-agent cleanup with its configuration, or give another directory`,
  );
}
