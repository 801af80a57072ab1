/** What the command line and the environment ask for. */
import { parseArgs } from 'node:util';
import { PATHS, type Path } from './limits.ts';

export interface BenchOptions {
  readonly only: readonly Path[];
  /** The agent on a large cluster too. */
  readonly cluster: boolean;
  readonly json: boolean;
  /** A path over its limit (not its goal) ends the run with status 1. */
  readonly enforce: boolean;
  readonly quick: boolean;
  readonly rounds: number;
  /** Directory for bench.json, bench.md and bench.svg. */
  readonly out: string;
}

export const USAGE = `usage: bench [--only PATH]... [--json] [--enforce]

  --only PATH  measure this path only: ${PATHS.join(', ')};
               or scale: the agent on a large cluster of a real API server
  --json       print bench.json instead of tables
  --enforce    fail when a path costs more than its limit

environment: ROUNDS=5, OUT=bench-results, QUICK=1 (few iterations and rounds: shows that it runs)
`;

const SCALE = 'scale';

function isPath(name: string): name is Path {
  return (PATHS as readonly string[]).includes(name);
}

/** Throws with what is wrong and what is allowed. */
export function readOptions(args: readonly string[], environment: NodeJS.ProcessEnv): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      enforce: { type: 'boolean', default: false },
    },
  });
  const names = values.only ?? [];
  const only = names
    .filter((name) => name !== SCALE)
    .map((name) => {
      if (isPath(name)) return name;
      throw new RangeError(`--only ${name}: must be one of ${PATHS.join(', ')}, ${SCALE}`);
    });
  const quick = !['', '0', undefined].includes(environment.QUICK);
  const rounds = environment.ROUNDS ? Number(environment.ROUNDS) : quick ? 2 : 5;
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1000) {
    throw new RangeError(`ROUNDS=${environment.ROUNDS}: must be a whole number, 1 to 1000`);
  }
  return {
    only: names.length > 0 ? only : PATHS,
    cluster: names.length === 0 || names.includes(SCALE),
    json: values.json,
    enforce: values.enforce,
    quick,
    rounds,
    out: environment.OUT || 'bench-results',
  };
}
