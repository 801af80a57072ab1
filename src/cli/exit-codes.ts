/** What lbctl's exit status means. Scripts depend on it: a number is never given another meaning. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  notPermitted: 5,
  notUnderstood: 6,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** One line each, for `--help`. */
export const EXIT_HELP: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'the agent could not do it, or something else failed',
  2: 'the command line is wrong',
  3: 'no such service',
  4: 'neither the agent nor its pinned maps are there',
  5: 'not permitted: the socket or the pinned maps belong to somebody else',
  6: 'the agent answered something this lbctl does not understand',
};
