/**
 * The agent's HTTP API: a unix socket for lbctl, and a TCP port for metrics
 * only. Everything is answered as JSON, errors as {error, remedy}; a request
 * that makes no sense never ends the process.
 */
import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { type ErrorBody, HttpError } from './http-error.ts';
import { ReaderGuard, type ReaderLimits, TCP_LIMITS } from './reader-limits.ts';
import { jsonArray, sendPieces } from './send-pieces.ts';

/** What a handler gives back: JSON, a JSON array of items, or text of a type of its own, also in pieces. */
export type Answer =
  | { readonly status?: number; readonly json: unknown }
  | { readonly status?: number; readonly text: string; readonly contentType: string }
  | { readonly items: AsyncIterable<unknown> }
  | { readonly pieces: AsyncIterable<string | Uint8Array>; readonly contentType: string };

export type Handler = (query: URLSearchParams) => Promise<Answer> | Answer;

/** `GET /v1/status` to its handler. */
export type Routes = Readonly<Record<string, Handler>>;

export interface ApiServer {
  /** Stops listening, and gives requests in progress two seconds to end. */
  close(): Promise<void>;
}

/** No request of ours has a body worth the name. */
const MAX_BODY_BYTES = 64 * 1024;
const MAX_URL_LENGTH = 4096;

const isLong = (answer: Answer): boolean => 'items' in answer || 'pieces' in answer;

/** Resolves when the answer is sent, or the client is gone. */
async function send(response: ServerResponse, answer: Answer): Promise<void> {
  if ('items' in answer) return sendPieces(response, 'application/json', jsonArray(answer.items));
  if ('pieces' in answer) return sendPieces(response, answer.contentType, answer.pieces);
  const [body, type] =
    'json' in answer
      ? [`${JSON.stringify(answer.json)}\n`, 'application/json']
      : [answer.text, answer.contentType];
  response.writeHead(answer.status ?? 200, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}

function sendError(response: ServerResponse, error: unknown, onError: (error: unknown) => void): void {
  const known = error instanceof HttpError;
  if (!known) onError(error);
  const body: ErrorBody = known
    ? { error: error.message, remedy: error.remedy }
    : { error: error instanceof Error ? error.message : String(error), remedy: "the agent's log says more" };
  if (known && error.retryAfter !== undefined) response.setHeader('retry-after', error.retryAfter);
  if (response.headersSent) response.destroy();
  else void send(response, { status: known ? error.status : 500, json: body });
}

/** Reads the body to its end, so that the connection can be used again; throws 413 when it is too long. */
async function drainBody(request: IncomingMessage): Promise<void> {
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) {
      throw new HttpError(413, `the request's body is longer than ${MAX_BODY_BYTES} bytes`, 'send none');
    }
  }
}

function findHandler(routes: Routes, method: string, path: string): Handler {
  const handler = Object.hasOwn(routes, `${method} ${path}`) ? routes[`${method} ${path}`] : undefined;
  if (handler !== undefined) return handler;
  const others = Object.keys(routes).filter((route) => route.split(' ')[1] === path);
  if (others.length > 0) {
    const allowed = others.map((route) => route.split(' ')[0]).join(', ');
    throw new HttpError(405, `${method} is not for ${path}`, `use ${allowed}`);
  }
  throw new HttpError(
    404,
    `there is no ${path.slice(0, 100)}`,
    `known are: ${Object.keys(routes).join(', ')}`,
  );
}

async function answerTo(routes: Routes, request: IncomingMessage): Promise<Answer> {
  const url = request.url ?? '/';
  if (url.length > MAX_URL_LENGTH) throw new HttpError(414, 'the address is too long', 'ask for less');
  let parsed: URL;
  try {
    parsed = new URL(url, 'http://agent');
  } catch {
    throw new HttpError(400, `cannot read the address "${url.slice(0, 100)}"`, 'give a path like /v1/status');
  }
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
  const handler = findHandler(routes, method, parsed.pathname);
  await drainBody(request);
  return handler(parsed.searchParams);
}

/** What clients are told whose request cannot be read. */
const CLIENT_ERRORS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

function makeServer(routes: Routes, onError: (error: unknown) => void, limits?: ReaderLimits): Server {
  const guard = limits === undefined ? undefined : new ReaderGuard(limits);
  const { request: headersTimeout = 10_000, look: connectionsCheckingInterval = 5_000 } = limits ?? {};
  const server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      requestTimeout: 3 * headersTimeout,
      headersTimeout,
      connectionsCheckingInterval,
    },
    (request, response) => {
      response.on('error', () => undefined);
      respond(routes, request, response, guard).catch((error: unknown) => {
        sendError(response, error, onError);
        if (!request.complete) request.destroy();
      });
    },
  );
  guard?.watch(server);
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = CLIENT_ERRORS[error.code ?? ''] ?? '400 Bad Request';
    if (socket.writable)
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`, () => socket.destroy());
    else socket.destroy();
  });
  return server;
}

async function respond(
  routes: Routes,
  request: IncomingMessage,
  response: ServerResponse,
  guard: ReaderGuard | undefined,
): Promise<void> {
  guard?.admit(response);
  const answer = await answerTo(routes, request);
  const end = isLong(answer) ? guard?.beginLong(response) : undefined;
  try {
    await send(response, answer);
  } finally {
    end?.();
  }
}

/** Milliseconds in which clients may take what they have asked for, once the server is to end. */
const LAST_ANSWERS = 2_000;

function listening(server: Server, listen: () => void): Promise<ApiServer> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve({ close: () => close(server) });
    });
    listen();
  });
}

function close(server: Server): Promise<void> {
  return new Promise((closed) => {
    const timer = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS);
    server.close(() => {
      clearTimeout(timer);
      closed();
    });
    server.closeIdleConnections();
  });
}

/** Whether somebody answers on the socket. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Longest path of a unix socket, without the closing zero (sockaddr_un). */
const MAX_SOCKET_PATH = 107;

/** Serves on a unix socket that its owner and group may use. A socket that nobody answers on is removed. */
export async function serveOnSocket(
  path: string,
  routes: Routes,
  onError: (error: unknown) => void,
): Promise<ApiServer> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new Error(
      `api.socket: "${path}" is longer than the ${MAX_SOCKET_PATH} bytes a socket's path may have`,
    );
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (existsSync(path)) {
    if (await isAlive(path)) throw new Error(`api.socket: another process answers on ${path}; stop it first`);
    rmSync(path, { force: true });
  }
  const server = makeServer(routes, onError);
  const umask = process.umask(0o117); // never open to others, not even for a moment
  try {
    return await listening(server, () => {
      server.listen(path, () => chmodSync(path, 0o660));
    });
  } finally {
    process.umask(umask);
  }
}

/** Serves on a TCP port, whoever asks; so within limits. */
export function serveOnPort(
  address: { readonly host: string; readonly port: number },
  routes: Routes,
  onError: (error: unknown) => void,
  limits: ReaderLimits = TCP_LIMITS,
): Promise<ApiServer> {
  const server = makeServer(routes, onError, limits);
  return listening(server, () => {
    server.listen(address.port, address.host);
  });
}
