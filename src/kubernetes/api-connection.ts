/** Requests to an API server. */
import http from 'node:http';
import https from 'node:https';
import { failureOfError, silentFailure } from './api-failure.ts';
import type { ClusterIdentity } from './cluster-identity.ts';

export interface ApiAnswer {
  readonly status: number;
  /** Throws an ApiFailure when it breaks off. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ApiBody {
  readonly method: 'POST' | 'PATCH';
  readonly type: string;
  readonly text: string;
}

/** One conversation: requests one after the other, with one identity. */
export interface ApiSession {
  /** `path` with its query. Resolves when the answer begins; throws an ApiFailure. */
  get(path: string): Promise<ApiAnswer>;
  /** The same with a body. */
  send(path: string, body: ApiBody): Promise<ApiAnswer>;
  /** Ends whatever is under way. */
  close(): void;
}

export interface ApiConnection {
  /** Throws an ApiFailure when there is no usable identity. */
  open(): Promise<ApiSession>;
  /** The server did not take the identity: read it anew for the next session. */
  forgetIdentity(): void;
}

export interface ApiConnectionOptions {
  readonly identity: ClusterIdentity;
  /** Milliseconds without a byte after which a connection is given up. */
  readonly silence: number;
  /** Milliseconds until an answer begins. */
  readonly answer: number;
}

/** Of a host that is gone: probes begin then, and end 10 s later. */
const KEEP_ALIVE_MS = 15_000;

export function connectToApi({ identity, silence, answer }: ApiConnectionOptions): ApiConnection {
  return {
    forgetIdentity: () => identity.forget(),
    async open() {
      try {
        const access = await identity.access();
        const secure = access.server.protocol === 'https:';
        const settings = { keepAlive: true, maxSockets: 1, keepAliveMsecs: KEEP_ALIVE_MS };
        const agent = access.proxyAgent ?? (secure ? new https.Agent(settings) : new http.Agent(settings));
        const options: https.RequestOptions = { ...access.options, agent };
        const ask = (path: string, body?: ApiBody): Promise<ApiAnswer> => {
          const url = new URL(`.${path}`, access.server);
          return request(secure ? https : http, url, options, { silence, answer }, body);
        };
        return {
          get: (path) => ask(path),
          send: ask,
          close: () => agent.destroy(),
        };
      } catch (error) {
        throw failureOfError(error);
      }
    },
  };
}

function request(
  protocol: typeof http | typeof https,
  url: URL,
  options: https.RequestOptions,
  limits: { readonly silence: number; readonly answer: number },
  body: ApiBody | undefined,
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const request = protocol.request(url, withBody(options, body), (response) => {
      clearTimeout(timer);
      resolve({ status: response.statusCode ?? 0, body: guarded(response, limits.silence) });
    });
    const timer = setTimeout(() => request.destroy(silentFailure(limits.answer)), limits.answer);
    request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(failureOfError(error));
    });
    request.end(body?.text);
  });
}

function withBody(options: https.RequestOptions, body: ApiBody | undefined): https.RequestOptions {
  if (body === undefined) return options;
  const headers = {
    ...(options.headers as Record<string, string>),
    'content-type': body.type,
    'content-length': Buffer.byteLength(body.text),
  };
  return { ...options, method: body.method, headers };
}

/** The body, given up when it is silent for too long. Stopping to read it ends the connection. */
async function* guarded(response: http.IncomingMessage, silence: number): AsyncGenerator<Uint8Array> {
  const timer = setTimeout(() => response.destroy(silentFailure(silence)), silence);
  try {
    for await (const chunk of response) {
      timer.refresh();
      yield chunk as Uint8Array;
    }
  } catch (error) {
    throw failureOfError(error);
  } finally {
    clearTimeout(timer);
  }
}
