import type { Timers } from '../../../src/node/timers.ts';

/** Time that passes when the test says so. */
export class FakeTimers implements Timers {
  #now = 0;
  readonly #pending = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback };
    this.#pending.add(timer);
    return () => this.#pending.delete(timer);
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const timer of [...this.#pending].sort((a, b) => a.at - b.at)) {
      if (timer.at <= this.#now && this.#pending.delete(timer)) timer.callback();
    }
  }
}
