/** An agent of one role does not take over the maps of the other. */
import { existsSync } from 'node:fs';
import { pinPath } from '../dataplane/maps.ts';
import { AgentError, exitCodes } from './exit-codes.ts';

type Role = 'lb' | 'node';

/** A map that only this role has. */
const MARKS: Readonly<Record<Role, string>> = { lb: 'services', node: 'node_targets' };

/** Throws an AgentError when the maps of the other role are pinned where this one's shall be. */
export function refuseOtherRole(bpfDirectory: string, role: Role): void {
  const other = role === 'lb' ? 'node' : 'lb';
  if (!existsSync(pinPath(bpfDirectory, MARKS[other]))) return;
  throw new AgentError(
    exitCodes.configuration,
    `bpfDirectory: ${bpfDirectory} holds the maps of an agent with role ${other}; run lb-agent cleanup, or give another directory`,
  );
}
