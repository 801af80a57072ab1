import type { Host } from '../../../src/cli/host.ts';
import { runLbctl } from '../../../src/cli/run.ts';
import { NOW } from './fixtures.ts';

export interface HostOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly isTerminal?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** Called instead of sleeping, with how often that was before; interrupt() is Ctrl-C. */
  readonly onSleep?: (sleeps: number, interrupt: () => void) => void | Promise<void>;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs lbctl in this process, away from its environment. Time stands still but for sleeps. */
export async function lbctl(words: readonly string[], options: HostOptions = {}): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  let sleeps = 0;
  let slept = 0;
  const interruption = new AbortController();
  const host: Host = {
    env: { LANG: 'C.UTF-8', ...options.env },
    now: () => NOW + slept,
    sleep: async (milliseconds) => {
      slept += milliseconds;
      if (options.onSleep === undefined) throw new Error('nothing should sleep here');
      await options.onSleep(sleeps, () => interruption.abort());
      sleeps += 1;
    },
    interrupted: interruption.signal,
    stdout: {
      write: (text) => {
        stdout += text;
      },
      isTerminal: options.isTerminal ?? false,
      columns: options.columns,
      rows: options.rows,
    },
    stderr: {
      write: (text) => {
        stderr += text;
      },
      isTerminal: options.isTerminal ?? false,
    },
  };
  const code = await runLbctl(words, host);
  return { code, stdout, stderr };
}
