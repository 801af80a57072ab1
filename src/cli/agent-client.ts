/** One request to the agent's API on its unix socket. What comes back is not trusted to be an agent's. */
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { AgentUnreachableError, CliError } from './cli-error.ts';
import { EXIT } from './exit-codes.ts';

export interface AgentEndpoint {
  readonly socketPath: string;
  /** Milliseconds for the whole answer. */
  readonly timeout: number;
  /** Bytes of the largest answer that is read. */
  readonly maxBytes: number;
}

/** 512 MiB is the longest string JavaScript has; a million connections are about half of this. */
export const MAX_ANSWER_BYTES = 448 * 1024 * 1024;

/**
 * The answer's JSON.
 * @throws AgentUnreachableError when nobody listens; CliError for everything else, also for a status that is
 * no success: its message is what the agent says.
 */
export async function askAgent(
  endpoint: AgentEndpoint,
  method: 'GET' | 'POST',
  path: string,
): Promise<unknown> {
  const { status, body } = await exchange(endpoint, method, path);
  if (status < 200 || status > 299) throw refusal(status, body, method, path, endpoint.socketPath);
  try {
    return JSON.parse(body);
  } catch (error) {
    const what = `${method} ${path} on ${endpoint.socketPath}`;
    throw notUnderstood(`The answer to ${what} is not JSON: it begins with ${quoteStart(body)}.`, error);
  }
}

/** Longest path of a unix socket, without the closing zero (sockaddr_un). */
const MAX_SOCKET_PATH = 107;

/** The other side speaks, but not as this lbctl expects. */
export function notUnderstood(message: string, cause?: unknown): CliError {
  return new CliError(
    EXIT.notUnderstood,
    message,
    'Check that the socket is the one of lb-agent, and that lbctl and lb-agent are of the same version (lbctl version).',
    { cause },
  );
}

async function exchange(
  endpoint: AgentEndpoint,
  method: string,
  path: string,
): Promise<{ status: number; body: string }> {
  // Node 20 cuts a longer path short without a word, and connects to what that names.
  if (Buffer.byteLength(endpoint.socketPath) > MAX_SOCKET_PATH) throw badSocketPath(endpoint.socketPath);
  const signal = AbortSignal.timeout(endpoint.timeout);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request({
        // Not an http.Agent, which would ask what TLS name this is: 5 ms.
        createConnection: () => connect(endpoint.socketPath),
        method,
        path,
        signal,
        headers: { host: 'lb-agent', accept: 'application/json', 'content-length': '0' },
      });
      outgoing.on('response', resolve);
      outgoing.on('error', reject);
      outgoing.end();
    });
    return { status: response.statusCode ?? 0, body: await readBody(response, endpoint.maxBytes) };
  } catch (error) {
    throw signal.aborted ? timedOut(endpoint, method, path, error) : connectionError(endpoint, error);
  }
}

function badSocketPath(path: string): CliError {
  return new CliError(
    EXIT.usage,
    `${path} cannot be the path of a unix socket: it has more than ${MAX_SOCKET_PATH} bytes.`,
    'Give a shorter one by --socket or L4LB_SOCKET, and to lb-agent as api.socket.',
  );
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      response.destroy();
      throw notUnderstood(`The agent's answer is longer than ${maxBytes} bytes; it was not read to its end.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function timedOut(endpoint: AgentEndpoint, method: string, path: string, cause: unknown): CliError {
  return new CliError(
    EXIT.failure,
    `The agent did not answer ${method} ${path} on ${endpoint.socketPath} within ${endpoint.timeout / 1000} s.`,
    'See whether lb-agent is stopped or very busy (its log, top). Wait longer with --timeout SECONDS, or read the pinned maps with --offline.',
    { cause },
  );
}

function connectionError(endpoint: AgentEndpoint, error: unknown): Error {
  if (error instanceof CliError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const where = endpoint.socketPath;
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') {
    return new AgentUnreachableError(where, code, { cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new CliError(
      EXIT.notPermitted,
      `Not permitted to connect to the agent's socket ${where} (${code}).`,
      'Run lbctl as root, or as a member of the group that owns the socket.',
      { cause: error },
    );
  }
  if (code.startsWith('HPE_')) {
    return notUnderstood(`What listens on ${where} does not speak HTTP (${code}).`, error);
  }
  return new CliError(
    EXIT.failure,
    `The connection to the agent on ${where} broke off (${code || String(error)}).`,
    'The agent may be restarting: try again, and read its log if it happens again.',
    { cause: error },
  );
}

function refusal(status: number, body: string, method: string, path: string, socketPath: string): CliError {
  const said = saidByAgent(body);
  const message = `The agent refused ${method} ${path} on ${socketPath} (HTTP ${status})${said === undefined ? '.' : `: ${said.error}.`}`;
  if (status === 401 || status === 403) return new CliError(EXIT.notPermitted, message, 'Run lbctl as root.');
  if (status === 404 && path.includes('?')) return new CliError(EXIT.notFound, message, said?.remedy);
  if (status === 404 || status === 405) return notUnderstood(message);
  return new CliError(EXIT.failure, message, said?.remedy ?? "Read the agent's log for the reason.");
}

/** The agent's `ErrorBody` (src/api/http-error.ts), as far as it is one. */
function saidByAgent(body: string): { error: string; remedy?: string } | undefined {
  try {
    const { error, remedy } = JSON.parse(body) as { error?: unknown; remedy?: unknown };
    if (typeof error !== 'string') return undefined;
    return typeof remedy === 'string' && remedy !== '' ? { error, remedy } : { error };
  } catch {
    return undefined;
  }
}

function quoteStart(body: string): string {
  if (body === '') return 'nothing';
  return JSON.stringify(body.length > 60 ? `${body.slice(0, 60)}...` : body);
}
