/** How lb-agent ends. docs/operations.md lists the same. */
export const exitCodes = {
  ok: 0,
  /** Something failed that was not expected; the log says what. */
  failure: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** The configuration cannot be used. */
  configuration: 3,
  /** Not permitted, or the kernel or a device lacks what is needed. */
  unfit: 4,
  /** Another agent uses these directories. */
  running: 5,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An error that ends the process with a certain exit code; the message says what to do. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  constructor(
    readonly exitCode: ExitCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
