/**
 * Turns any number of events into one run of the work at a time. An event
 * during a run leads to exactly one more; a run that throws is tried again,
 * later each time, and an event tries at once. Nothing depends on seeing each
 * event, only on running after the last.
 */

export interface Timers {
  /** Calls back once after `ms`; returns how to call it off. */
  after(ms: number, callback: () => void): () => void;
}

export const realTimers: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export interface LevelTriggerOptions {
  readonly work: () => Promise<void>;
  /** Told of every failed run; `retryMs` is when it is tried again. */
  readonly onFailure: (error: unknown, retryMs: number) => void;
  readonly timers?: Timers;
  readonly firstRetryMs?: number;
  readonly lastRetryMs?: number;
}

export class LevelTrigger {
  readonly #options: LevelTriggerOptions;
  readonly #timers: Timers;
  #dirty = false;
  #running: Promise<void> | undefined;
  /** The run that has not begun yet, for those who wait for its end. */
  #next: { readonly ended: Promise<void>; readonly end: () => void } | undefined;
  #stopped = false;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;

  constructor(options: LevelTriggerOptions) {
    this.#options = options;
    this.#timers = options.timers ?? realTimers;
  }

  /** Something changed: run soon. Resolves when a run that began after this call has ended, or it stopped. */
  trigger(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#dirty = true;
    this.#next ??= promisedRun();
    const { ended } = this.#next;
    this.#running ??= this.#run();
    // Not the end of #running: while events keep coming, which they may for ever, there is none.
    return ended;
  }

  /** Lets the run in progress end and starts none after it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Events of the same turn of the event loop belong together.
    await Promise.resolve();
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      const run = this.#next;
      this.#next = undefined;
      this.#cancelRetry?.();
      this.#cancelRetry = undefined;
      try {
        await this.#options.work();
        this.#failures = 0;
      } catch (error) {
        this.#failed(error);
      }
      run?.end();
    }
    // In the same turn as the last look at #dirty: an event after it starts a run of its own.
    this.#running = undefined;
    this.#next?.end();
    this.#next = undefined;
  }

  #failed(error: unknown): void {
    const first = this.#options.firstRetryMs ?? 500;
    const last = this.#options.lastRetryMs ?? 30_000;
    const retryMs = Math.min(first * 2 ** this.#failures, last);
    this.#failures += 1;
    this.#options.onFailure(error, retryMs);
    if (this.#stopped) return;
    this.#cancelRetry = this.#timers.after(retryMs, () => void this.trigger());
  }
}

function promisedRun(): { ended: Promise<void>; end: () => void } {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { ended, end };
}
