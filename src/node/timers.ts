/** Time as the sources see it: tests pass their own. */
export interface Timers {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back once; the answer cancels. */
  after(milliseconds: number, callback: () => void): () => void;
}

export const systemTimers: Timers = {
  now: () => Date.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};
