/** Which file has which command: only the one that is asked for is read, because each costs a person's time. */
import type { Command } from 'commander';
import type { Host } from './host.ts';

type Add = (program: Command, host: Host) => void;

interface CommandGroup {
  /** Names and aliases on the first level. */
  readonly names: readonly string[];
  load(): Promise<Add>;
}

/** In the order of the help. */
const GROUPS: readonly CommandGroup[] = [
  { names: ['status'], load: async () => (await import('./commands/status.ts')).addStatusCommand },
  { names: ['service', 'svc'], load: async () => (await import('./commands/service.ts')).addServiceCommands },
  { names: ['backend'], load: async () => (await import('./commands/backend.ts')).addBackendCommands },
  {
    names: ['conn', 'connection'],
    load: async () => (await import('./commands/connection.ts')).addConnectionCommands,
  },
  { names: ['stats'], load: async () => (await import('./commands/stats.ts')).addStatsCommand },
  { names: ['maglev'], load: async () => (await import('./commands/maglev.ts')).addMaglevCommands },
  { names: ['problems'], load: async () => (await import('./commands/status.ts')).addProblemsCommand },
  {
    names: ['drain', 'undrain'],
    load: async () => (await import('./commands/announcement.ts')).addAnnouncementCommands,
  },
  {
    names: ['completion'],
    load: async () => (await import('./commands/completion.ts')).addCompletionCommands,
  },
  { names: ['version'], load: async () => (await import('./commands/version.ts')).addVersionCommand },
];

/**
 * Adds the commands that the words can mean, or all when the first of them is no command: for help,
 * completion, and suggestions. A value of an option may look like a command, so each word counts.
 */
export async function addCommands(program: Command, host: Host, words: readonly string[]): Promise<void> {
  const first = words.find((word) => !word.startsWith('-'));
  const known = GROUPS.some(({ names }) => first !== undefined && names.includes(first));
  const wanted = known ? GROUPS.filter(({ names }) => words.some((word) => names.includes(word))) : GROUPS;
  const loaded = await Promise.all(wanted.map((group) => group.load()));
  for (const add of loaded) add(program, host);
}
