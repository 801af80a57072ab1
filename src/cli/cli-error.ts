import { EXIT, type ExitCode } from './exit-codes.ts';

/** An error for the person at the terminal: what failed, where, and what to do about it. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  /** What to do; its own line after the message. */
  readonly remedy: string | undefined;

  constructor(exitCode: ExitCode, message: string, remedy?: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.remedy = remedy;
  }
}

/** Nobody listens on the agent's socket, so the pinned maps are the next to ask. */
export class AgentUnreachableError extends Error {
  readonly socketPath: string;
  /** errno's name: ENOENT or ECONNREFUSED. */
  readonly code: string;

  constructor(socketPath: string, code: string, options?: { cause?: unknown }) {
    super(`nobody listens on ${socketPath} (${code})`, options);
    this.name = 'AgentUnreachableError';
    this.socketPath = socketPath;
    this.code = code;
  }
}

/** For what the pinned maps cannot tell or do. */
export function needsAgent(what: string, absence: AgentUnreachableError | undefined): CliError {
  if (absence === undefined) {
    return new CliError(
      EXIT.usage,
      `${what} needs the agent, which --offline does not ask.`,
      'Leave --offline out.',
    );
  }
  return new CliError(
    EXIT.unreachable,
    `${what} needs the agent, which does not listen on ${absence.socketPath} (${absence.code}).`,
    'Start lb-agent, or name its socket by --socket, L4LB_SOCKET or --config FILE.',
    { cause: absence },
  );
}
