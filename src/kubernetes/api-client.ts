/** Single requests to an API server, with JSON both ways. */
import type { Timers } from '../node/timers.ts';
import type { ApiBody, ApiConnection, ApiSession } from './api-connection.ts';
import { failureOfAnswer, failureOfError } from './api-failure.ts';
import { jsonBody, textBody } from './json-lines.ts';

/** Then the identity is looked at again: tokens are renewed. */
const SESSION_MS = 60_000;

export const MERGE_PATCH = 'application/merge-patch+json';
export const APPLY_PATCH = 'application/apply-patch+yaml';

export class ApiClient {
  readonly #connection: ApiConnection;
  readonly #timers: Timers;
  readonly #rights: string;
  #session: { readonly session: ApiSession; readonly since: number } | undefined;

  /** `rights`: what the requests take, for people who have not given them. */
  constructor(connection: ApiConnection, timers: Timers, rights: string) {
    this.#connection = connection;
    this.#timers = timers;
    this.#rights = rights;
  }

  /** One request at a time. Throws an ApiFailure unless the server says that it is done. */
  async ask(path: string, body?: Omit<ApiBody, 'text'> & { readonly value: unknown }): Promise<unknown> {
    try {
      const session = await this.#open();
      const sent =
        body === undefined
          ? session.get(path)
          : session.send(path, { method: body.method, type: body.type, text: JSON.stringify(body.value) });
      const answer = await sent;
      if (answer.status < 300) return (await jsonBody(answer.body)).value;
      throw failureOfAnswer(answer.status, await textBody(answer.body), this.#rights);
    } catch (error) {
      const failure = failureOfError(error);
      if (failure.unauthorized) this.#connection.forgetIdentity();
      if (failure.kind === 'unreachable' || failure.unauthorized) this.close();
      throw failure;
    }
  }

  /** Ends what is under way. A later request opens a session anew. */
  close(): void {
    this.#session?.session.close();
    this.#session = undefined;
  }

  async #open(): Promise<ApiSession> {
    const now = this.#timers.now();
    if (this.#session !== undefined && now - this.#session.since > SESSION_MS) this.close();
    this.#session ??= { session: await this.#connection.open(), since: now };
    return this.#session.session;
  }
}
