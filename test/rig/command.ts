/** Runs programs to their end and says what went wrong when they fail. */
import { spawn } from 'node:child_process';
import type { StepGroup } from './build-plan.ts';
import { patience } from './patience.ts';

export interface CommandResult {
  /** Exit status; 128 + n when signal n ended it, as a shell says it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  /** Milliseconds, default 10 s; then it is killed and the call fails. */
  readonly timeout?: number;
  /** Give back a failure instead of throwing it. */
  readonly mayFail?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export class CommandError extends Error {
  constructor(
    readonly command: readonly string[],
    readonly result: CommandResult,
    what = `exit status ${result.code}`,
  ) {
    const output = [result.stderr, result.stdout].map((text) => text.trim()).filter((text) => text !== '');
    super([`${command.join(' ')}: ${what}`, ...output].join('\n'));
    this.name = 'CommandError';
  }
}

/** Throws a CommandError that holds what the program said, unless it ends with 0 or may fail. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  const [program = '', ...args] = command;
  const timeout = patience(options.timeout ?? 10_000);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: 'pipe',
      // Not in the terminal's group: Ctrl-C is the rig's to handle, which needs its own commands to finish.
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, timeout);
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${command.join(' ')}: ${error.message}`, { cause: error }));
    });
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      const result = {
        code: status ?? (signal === 'SIGINT' ? 130 : 137),
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      };
      if (late) reject(new CommandError(command, result, `not done within ${timeout / 1000} s`));
      else if (result.code !== 0 && options.mayFail !== true) reject(new CommandError(command, result));
      else resolve(result);
    });
    child.stdin.on('error', () => {}); // the program may end without reading: its status tells
    child.stdin.end(options.input ?? '');
  });
}

/** The command as it runs inside a namespace; unlike `ip netns exec` this keeps /sys and its bpffs. */
export function inNamespace(netns: string, command: readonly string[]): string[] {
  return ['nsenter', `--net=/run/netns/${netns}`, ...command];
}

/** Runs a group of steps of the build plan in as few processes as its program allows. */
export async function runGroup(group: StepGroup): Promise<void> {
  if (group.program === 'ip') {
    const namespace = group.netns === null ? [] : ['-n', group.netns];
    const lines = group.calls.map((call) => call.join(' '));
    const command = ['ip', ...namespace, '-batch', '-'];
    const result = await run(command, { input: `${lines.join('\n')}\n`, mayFail: true });
    if (result.code === 0) return;
    const at = Number(/-:(\d+)/.exec(result.stderr)?.[1] ?? 0);
    throw new CommandError(command, result, `failed at "ip ${lines[at - 1] ?? '?'}"`);
  }
  const commands =
    group.program === 'sysctl'
      ? [['sysctl', '-q', '-w', ...group.calls.flat()]]
      : group.calls.map((call) => [group.program, ...call]);
  for (const command of commands) {
    await run(group.netns === null ? command : inNamespace(group.netns, command));
  }
}
