/** What the load programs count. Shared by the programs in the client's namespace and the tests that read them. */

export interface Failure {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly error: string;
  /** The pod at the other end, where that is known: a connection that had answered before. */
  readonly pod?: string;
  /** When that connection was begun, in milliseconds since 1970. */
  readonly began?: number;
}

export interface RequestCounters {
  requests: number;
  answers: Record<string, number>;
  failures: Failure[];
  /** Milliseconds. */
  slowest: number;
}

export interface StreamCounters {
  /** Connections that are up and echo. */
  open: number;
  /** All connections that ever came up. */
  begun: number;
  /** Connections that had been up and were reset, closed, stood still or echoed a wrong byte. */
  broken: Failure[];
  /** Connections that never came up. */
  refused: Failure[];
  byPod: Record<string, number>;
  /** Bytes sent and received back the same. */
  verifiedBytes: number;
  /** Smallest number of verified bytes of a connection that is open: shows that all of them move. */
  leastBytes: number;
  mostBytes: number;
}

/** Difference of two readings of one program: what happened between them. */
export function since(before: RequestCounters, after: RequestCounters): RequestCounters {
  const answers: Record<string, number> = {};
  for (const [pod, count] of Object.entries(after.answers)) {
    const more = count - (before.answers[pod] ?? 0);
    if (more > 0) answers[pod] = more;
  }
  return {
    requests: after.requests - before.requests,
    answers,
    failures: after.failures.slice(before.failures.length),
    slowest: after.slowest,
  };
}
