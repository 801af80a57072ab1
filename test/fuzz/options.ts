/** What `make fuzz` is asked to do, from the environment. */

export interface FuzzOptions {
  readonly seed: number;
  /** Milliseconds. */
  readonly limit: number;
  readonly packets: number;
  readonly histories: number;
  /** A file that a failure was written to. */
  readonly replay: string | undefined;
}

/** Of a run that was asked for in a way that makes no sense. */
export class UsageError extends Error {}

/** Throws a {@link UsageError}. `now` seeds a run that names no seed. */
export function readOptions(environment: NodeJS.ProcessEnv, now: number): FuzzOptions {
  const number = (name: string, otherwise: number, least: number, isWhole = true): number => {
    const text = environment[name];
    if (text === undefined || text === '') return otherwise;
    const value = Number(text);
    if (Number.isFinite(value) && value >= least && (Number.isInteger(value) || !isWhole)) return value;
    const kind = isWhole ? 'whole number' : 'number';
    throw new UsageError(
      `${name}=${text}: give a ${kind} of at least ${least}, or leave it out (${otherwise})`,
    );
  };
  return {
    seed: number('SEED', now % 2 ** 32, 0),
    limit: number('MINUTES', 10, 0.1, false) * 60_000,
    packets: number('PACKETS', 1_000_000, 0),
    histories: number('HISTORIES', 10_000, 0),
    replay: environment.REPLAY === '' ? undefined : environment.REPLAY,
  };
}
