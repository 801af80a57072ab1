/** When to try again. */

export interface RetryLimits {
  /** Milliseconds; the longest wait after the first failure. */
  readonly first: number;
  /** Milliseconds; the longest wait of all. */
  readonly last: number;
}

/**
 * Exponential back-off with full jitter (Brooker, "Exponential Backoff and Jitter", 2015): anything
 * from 0 to a limit that doubles with each failure, so that clients of one outage do not come back at once.
 * `failures` in a row, from 1; `random` from 0 to 1. Milliseconds.
 */
export function retryDelay(failures: number, { first, last }: RetryLimits, random: number): number {
  const doubled = first * 2 ** Math.min(failures - 1, 30);
  return Math.round(Math.min(last, doubled) * random);
}
