/** One thing wrong in a configuration file. */
export interface ConfigProblem {
  readonly file: string;
  /** From 1; undefined if the file cannot be read at all. */
  readonly line?: number;
  /** `snat.addresses.0`, '' for the file as a whole. */
  readonly key: string;
  /** What is wrong, with the value and what is allowed. */
  readonly message: string;
}

/** The configuration cannot be used. Holds every problem, not only the first. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly ConfigProblem[]) {
    super(problems.map(describe).join('\n'));
    this.name = 'ConfigError';
  }
}

function describe({ file, line, key, message }: ConfigProblem): string {
  const place = line === undefined ? file : `${file}:${line}`;
  return key === '' ? `${place}: ${message}` : `${place}: ${key}: ${message}`;
}
