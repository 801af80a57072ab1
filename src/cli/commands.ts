/** Which file has which command. Only what is asked for is made, because options and help cost a person's time. */
import type { Command } from 'commander';
import { addAnnouncementCommands } from './commands/announcement.ts';
import { addBackendCommands } from './commands/backend.ts';
import { addCompletionCommands } from './commands/completion.ts';
import { addConnectionCommands } from './commands/connection.ts';
import { addMaglevCommands } from './commands/maglev.ts';
import { addServiceCommands } from './commands/service.ts';
import { addStatsCommand } from './commands/stats.ts';
import { addProblemsCommand, addStatusCommand } from './commands/status.ts';
import { addVersionCommand } from './commands/version.ts';
import type { Host } from './host.ts';

interface CommandGroup {
  /** Names and aliases on the first level. */
  readonly names: readonly string[];
  add(program: Command, host: Host): void;
}

/** In the order of the help. */
const GROUPS: readonly CommandGroup[] = [
  { names: ['status'], add: addStatusCommand },
  { names: ['service', 'svc'], add: addServiceCommands },
  { names: ['backend'], add: addBackendCommands },
  { names: ['conn', 'connection'], add: addConnectionCommands },
  { names: ['stats'], add: addStatsCommand },
  { names: ['maglev'], add: addMaglevCommands },
  { names: ['problems'], add: addProblemsCommand },
  { names: ['drain', 'undrain'], add: addAnnouncementCommands },
  { names: ['completion'], add: addCompletionCommands },
  { names: ['version'], add: addVersionCommand },
];

/**
 * Adds the commands that the words can mean, or all when the first of them is no command: for help,
 * completion, and suggestions. A value of an option may look like a command, so each word counts.
 */
export function addCommands(program: Command, host: Host, words: readonly string[]): void {
  const first = words.find((word) => !word.startsWith('-'));
  const known = GROUPS.some(({ names }) => first !== undefined && names.includes(first));
  const wanted = known ? GROUPS.filter(({ names }) => words.some((word) => names.includes(word))) : GROUPS;
  for (const { add } of wanted) add(program, host);
}
