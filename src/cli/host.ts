/** What lbctl needs of the process it runs in. Tests pass their own. */
import { setTimeout as delay } from 'node:timers/promises';
import { escapeLines } from './escape-text.ts';

export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after so many milliseconds, or at once when interrupted. */
  sleep(milliseconds: number): Promise<void>;
  /** Aborted by Ctrl-C or SIGTERM, once somebody has looked at it. */
  readonly interrupted: AbortSignal;
  readonly stdout: {
    write(text: string): void;
    readonly isTerminal: boolean;
    readonly columns: number | undefined;
    readonly rows: number | undefined;
  };
  readonly stderr: { write(text: string): void; readonly isTerminal: boolean };
}

/** A line or more on stderr, with nothing in them that a terminal acts on. */
export function writeNote(host: Host, text: string): void {
  host.stderr.write(`${escapeLines(text)}\n`);
}

/** This process. A reader that goes away (`| head`) ends it quietly. */
export function processHost(): Host {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      process.exit(error.code === 'EPIPE' ? 0 : 1);
    });
  }
  let interruption: AbortController | undefined;
  return {
    env: process.env,
    now: () => Date.now(),
    async sleep(milliseconds) {
      await delay(milliseconds, undefined, { signal: this.interrupted }).catch(() => undefined);
    },
    // Made when it is first asked for: a command that does not loop dies of Ctrl-C as any program.
    get interrupted() {
      if (interruption === undefined) {
        const made = new AbortController();
        interruption = made;
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => made.abort());
      }
      return interruption.signal;
    },
    stdout: {
      write: (text) => void process.stdout.write(text),
      get isTerminal() {
        return process.stdout.isTTY === true;
      },
      get columns() {
        return process.stdout.columns;
      },
      get rows() {
        return process.stdout.rows;
      },
    },
    stderr: {
      write: (text) => void process.stderr.write(text),
      get isTerminal() {
        return process.stderr.isTTY === true;
      },
    },
  };
}
