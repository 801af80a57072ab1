/** A wait that whoever stops can cut short. */
import type { Timers } from './timers.ts';

export class Pause {
  readonly #timers: Timers;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Resolves after so many milliseconds, or when all waiting is over. One wait at a time. */
  wait(milliseconds: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#timers.after(milliseconds, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Ends the wait that is on, and all later ones at once. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }
}
