/** Waits for a state of the world by looking at it, never by sleeping and hoping. */
import { patience } from './patience.ts';

export interface WaitOptions {
  /** Milliseconds until it is given up, default 15 s. */
  readonly timeout?: number;
  /** Milliseconds between two looks, default 50. */
  readonly interval?: number;
  /** What a person needs to see when it did not come true: command output, logs. */
  readonly evidence?: () => Promise<string>;
}

export class WaitError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'WaitError';
  }
}

const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * Looks until `look` gives something else than undefined or false, and returns that. A look that throws
 * counts as "not yet"; its last error is the cause of the WaitError.
 */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  options: WaitOptions = {},
): Promise<T> {
  const { interval = 50 } = options;
  const timeout = patience(options.timeout ?? 15_000);
  const deadline = Date.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) break;
    await delay(interval);
  }
  const evidence = options.evidence === undefined ? '' : `\n${await options.evidence().catch(String)}`;
  const reason =
    last === undefined ? '' : `\nlast look: ${last instanceof Error ? last.message : String(last)}`;
  throw new WaitError(`${what}: not within ${timeout / 1000} s${reason}${evidence}`, { cause: last });
}
