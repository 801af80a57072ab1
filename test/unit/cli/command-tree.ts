import type { Command } from 'commander';
import type { Host } from '../../../src/cli/host.ts';
import { makeProgram } from '../../../src/cli/program.ts';

/** Every command of lbctl, groups included, hidden ones and lbctl itself not. */
export function commandsOf(words: readonly string[] = []): Command[] {
  const host: Host = {
    env: {},
    now: () => 0,
    sleep: async () => undefined,
    interrupted: new AbortController().signal,
    stdout: { write: () => undefined, isTerminal: false, columns: undefined, rows: undefined },
    stderr: { write: () => undefined, isTerminal: false },
  };
  const visible = (command: Command): Command[] =>
    command.commands
      .filter((child) => !child.name().startsWith('__'))
      .flatMap((child) => [child, ...visible(child)]);
  return visible(makeProgram(host, words));
}

/** `service list` */
export function pathOf(command: Command): string {
  return command.parent === null ? '' : `${pathOf(command.parent)} ${command.name()}`.trim();
}
