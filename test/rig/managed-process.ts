/** A process of a rig: its output goes to a log file, its end is known, it can be stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type ProcessId, processId } from './process-table.ts';
import { waitFor } from './wait.ts';

export interface SpawnOptions {
  /** For the log file and messages; default the program's name. */
  readonly name?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Standard input and output as pipes of `child`, for programs that are talked to. */
  readonly pipes?: boolean;
}

export class ManagedProcess {
  readonly id: ProcessId;
  readonly #exited: Promise<number>;
  #status: number | undefined;

  private constructor(
    readonly name: string,
    readonly child: ChildProcess,
    readonly log: string,
    pid: number,
  ) {
    // A process that ended at once has no start time any more: "0" then matches no other one.
    this.id = processId(pid) ?? { pid, startTime: '0' };
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#status = code ?? (signal === 'SIGKILL' ? 137 : signal === 'SIGTERM' ? 143 : 128);
        resolve(this.#status);
      });
    });
  }

  /** Starts it in a session of its own: Ctrl-C reaches the rig only, which then ends things in order. */
  static start(name: string, command: readonly string[], log: string, options: SpawnOptions): ManagedProcess {
    const [program = '', ...args] = command;
    const file = openSync(log, 'a');
    const ends =
      options.pipes === true ? (['pipe', 'pipe', file] as const) : (['ignore', file, file] as const);
    const child = spawn(program, args, {
      stdio: [...ends],
      detached: true,
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    closeSync(file);
    child.on('error', () => {}); // told by the pid that is missing
    if (child.pid === undefined) throw new Error(`${command.join(' ')}: cannot be started`);
    child.unref();
    return new ManagedProcess(name, child, log, child.pid);
  }

  /** Resolves with the exit status (128 + n for signal n) once it has ended. */
  exited(): Promise<number> {
    // Started processes do not keep this one alive, unless it waits for them.
    if (this.#status === undefined) this.child.ref();
    return this.#exited;
  }

  /** Undefined while it runs. */
  get status(): number | undefined {
    return this.#status;
  }

  /** The last part of its output. */
  output(bytes = 4000): string {
    try {
      return readFileSync(this.log, 'utf8').slice(-bytes);
    } catch {
      return '';
    }
  }

  /** Sends the signal and waits for the end; SIGKILL after `timeout` milliseconds. Returns the exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeout = 5000): Promise<number> {
    if (this.#status !== undefined) return this.#status;
    this.child.kill(signal);
    const ended = async () => this.#status !== undefined;
    await waitFor(`${this.name} ends`, ended, { timeout, interval: 10 }).catch(() =>
      this.child.kill('SIGKILL'),
    );
    return this.exited();
  }
}
