/** A request that cannot be answered as asked. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  constructor(
    readonly status: number,
    message: string,
    /** What the caller can do. */
    readonly remedy: string,
    /** Seconds after which to ask again. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The body of every answer that is no success. */
export interface ErrorBody {
  readonly error: string;
  readonly remedy: string;
}
