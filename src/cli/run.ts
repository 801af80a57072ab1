/** Runs one command line and tells the exit status. */
import { type Command, CommanderError } from 'commander';
import { CliError } from './cli-error.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Host, writeNote } from './host.ts';
import { makeProgram } from './program.ts';

/** @param words the command line behind the program's name. */
export async function runLbctl(words: readonly string[], host: Host): Promise<ExitCode> {
  const program = makeProgram(host, words);
  try {
    await program.parseAsync(words, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return report(error, host, commandNamed(program, words));
  }
}

function report(error: unknown, host: Host, command: string): ExitCode {
  if (error instanceof CommanderError) {
    // --help and --version end here too, and a group without its command has printed its help.
    if (error.exitCode === 0) return EXIT.ok;
    if (error.code !== 'commander.help') {
      writeNote(host, `lbctl: ${error.message.replace(/^error: /, '')}`);
      writeNote(host, `Run "${command} --help" for what is allowed.`);
    }
    return EXIT.usage;
  }
  if (error instanceof CliError) {
    writeNote(host, `lbctl: ${error.message}`);
    if (error.remedy !== undefined) writeNote(host, error.remedy);
    return error.exitCode;
  }
  writeNote(host, `lbctl: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  writeNote(host, 'This is a fault of lbctl: please report it with the lines above.');
  return EXIT.failure;
}

/** The longest command that the words name: `lbctl service list`. */
function commandNamed(program: Command, words: readonly string[]): string {
  let command = program;
  let named = program.name();
  for (const word of words) {
    const next = command.commands.find((child) => child.name() === word || child.aliases().includes(word));
    if (next === undefined) continue;
    command = next;
    named += ` ${next.name()}`;
  }
  return named;
}
