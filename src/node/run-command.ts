/** Runs the few system programs the agent needs (ip, ethtool, mount, flock), without a shell. */
import { execFile } from 'node:child_process';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Never rejects for an exit code; throws {@link CommandError} when the program cannot be run at all. */
export type RunCommand = (program: string, args: readonly string[], input?: string) => Promise<CommandResult>;

/** A program that is missing, was killed, or ended with an exit code that the caller cannot accept. */
export class CommandError extends Error {
  constructor(
    readonly program: string,
    readonly args: readonly string[],
    readonly result: CommandResult,
  ) {
    const said = result.stderr.trim() || result.stdout.trim() || `exit code ${result.code}`;
    super(`${program} ${args.join(' ')}: ${said}`);
    this.name = 'CommandError';
  }
}

/** A program that hangs must not hang the agent. */
const TIMEOUT_MS = 20_000;

export const runCommand: RunCommand = (program, args, input) =>
  new Promise((resolve, reject) => {
    const child = execFile(
      program,
      [...args],
      { timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024, encoding: 'utf8' },
      (error, stdout, stderr) => {
        if (error === null) return resolve({ code: 0, stdout, stderr });
        if (typeof error.code === 'number') return resolve({ code: error.code, stdout, stderr });
        const why =
          (error as NodeJS.ErrnoException).code === 'ENOENT'
            ? `${program} is not installed`
            : `${stderr}${error.message}`;
        reject(new CommandError(program, args, { code: 127, stdout, stderr: why }));
      },
    );
    // A program that exits before it has read its input is told by its exit code, not by EPIPE.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });

/** Runs and insists on exit code 0; returns what the program printed. */
export async function runChecked(
  run: RunCommand,
  program: string,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const result = await run(program, args, input);
  if (result.code !== 0) throw new CommandError(program, args, result);
  return result.stdout;
}
