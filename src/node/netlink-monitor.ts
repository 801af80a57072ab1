/**
 * Tells when neighbours, links, routes or addresses change. The events say
 * only that something did: who listens looks for itself, so an event that is
 * lost or not understood costs nothing but time.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export type NetworkChange = 'neighbour' | 'link' | 'route' | 'address';

/**
 * What a line of `ip monitor label` is about; undefined for continuation lines and what is not known.
 * Multicast and loopback housekeeping of the kernel is left out.
 */
export function classifyMonitorLine(line: string): NetworkChange | undefined {
  const match = /^\[(NEIGH|LINK|ROUTE|ADDR)\](?:Deleted )?(.*)$/.exec(line);
  if (match === null) return undefined;
  const rest = match[2] ?? '';
  if (/^(multicast |ff[0-9a-f]{2}:)/.test(rest) || / NOARP\s*$/.test(rest)) return undefined;
  const changes = { NEIGH: 'neighbour', LINK: 'link', ROUTE: 'route', ADDR: 'address' } as const;
  return changes[match[1] as keyof typeof changes];
}

export interface MonitoredProcess {
  readonly lines: AsyncIterable<string>;
  /** Resolves when it has ended, whatever the reason. */
  readonly ended: Promise<string>;
  kill(): void;
}

export type StartMonitor = () => MonitoredProcess;

export const startIpMonitor: StartMonitor = () => {
  const child = spawn('ip', ['monitor', 'label', 'neigh', 'link', 'route', 'address'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(`ended with ${signal ?? `exit code ${code}`}`));
  });
  return { lines: createInterface({ input: child.stdout }), ended, kill: () => void child.kill() };
};

export interface NetlinkMonitorOptions {
  readonly start: StartMonitor;
  /** Called once for any number of changes within `debounceMs`, and once after each restart. */
  readonly onChange: (changes: ReadonlySet<NetworkChange>) => void;
  readonly onTrouble: (message: string) => void;
  readonly debounceMs?: number;
  readonly restartMs?: number;
}

const EVERYTHING: readonly NetworkChange[] = ['neighbour', 'link', 'route', 'address'];

/** Keeps one monitor process running until stopped. */
export class NetlinkMonitor {
  readonly #options: NetlinkMonitorOptions;
  readonly #pending = new Set<NetworkChange>();
  #timer: NodeJS.Timeout | undefined;
  #process: MonitoredProcess | undefined;
  #stopped = false;
  #wake: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: NetlinkMonitorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#process?.kill();
    this.#wake?.();
    await this.#loop;
  }

  async #run(): Promise<void> {
    let first = true;
    while (!this.#stopped) {
      this.#process = this.#options.start();
      // What happened while nobody listened is not known: look at everything.
      if (!first) for (const change of EVERYTHING) this.#note(change);
      first = false;
      await this.#read(this.#process);
      const why = await this.#process.ended;
      if (this.#stopped) return;
      this.#options.onTrouble(`ip monitor ${why}; starting it again`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, this.#options.restartMs ?? 1000);
      });
    }
  }

  async #read(process: MonitoredProcess): Promise<void> {
    try {
      for await (const line of process.lines) {
        const change = classifyMonitorLine(line);
        if (change !== undefined) this.#note(change);
      }
    } catch (error) {
      this.#options.onTrouble(`reading from ip monitor: ${String(error)}`);
      process.kill();
    }
  }

  #note(change: NetworkChange): void {
    this.#pending.add(change);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const changes = new Set(this.#pending);
      this.#pending.clear();
      if (!this.#stopped) this.#options.onChange(changes);
    }, this.#options.debounceMs ?? 20);
  }
}
