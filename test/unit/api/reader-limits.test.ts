/** Readers of the TCP port who take nothing, never ask, or come in numbers, by real connections. */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ReaderLimits, TCP_LIMITS } from '../../../src/api/reader-limits.ts';
import { type ApiServer, type Routes, serveOnPort, serveOnSocket } from '../../../src/api/server.ts';
import { askAgent } from '../../../src/cli/agent-client.ts';
import { turn } from '../../../src/slices/run-in-slices.ts';

const MIB = 2 ** 20;
const PIECES = 256;
const NEVER = 2 ** 30;

/** Nothing is ended but for want of room, and then only who has been given time enough to take something. */
const PATIENT: ReaderLimits = { ...TCP_LIMITS, patience: 300, stall: NEVER, answer: NEVER, look: 20 };

let directory: string;
let port: number;
const servers: ApiServer[] = [];
const sockets: Socket[] = [];
const errors: unknown[] = [];
/** Answers that hold their 16 MiB now, and the most that did at a time. */
let holding = 0;
let most = 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-api-'));
  errors.length = 0;
  most = 0;
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) await server.close();
  await until(() => holding === 0);
  rmSync(directory, { recursive: true, force: true });
});

/** As the metrics of a large cluster are: made as a whole, then given in pieces. */
async function* bigAnswer(): AsyncGenerator<Uint8Array> {
  holding += 1;
  most = Math.max(most, holding);
  try {
    await turn();
    const pieces = Array.from({ length: PIECES }, () => Buffer.alloc((16 * MIB) / PIECES, 'm'));
    yield* pieces;
  } finally {
    holding -= 1;
  }
}

/** Opens when an answer that takes long to make may be made. */
let gate = Promise.resolve();

async function* slowAnswer(): AsyncGenerator<string> {
  holding += 1;
  try {
    await gate;
    yield 'made';
  } finally {
    holding -= 1;
  }
}

async function start(limits: ReaderLimits): Promise<void> {
  const routes: Routes = {
    'GET /slow': () => ({ pieces: slowAnswer(), contentType: 'text/plain' }),
    'GET /metrics': () => ({ pieces: bigAnswer(), contentType: 'text/plain' }),
    'GET /healthz': () => ({ json: { ok: true } }),
    'GET /v1/services': () => ({ json: ['web'] }),
  };
  const onError = (error: unknown) => errors.push(error);
  port = await freePort();
  servers.push(await serveOnPort({ host: '127.0.0.1', port }, routes, onError, limits));
  servers.push(await serveOnSocket(join(directory, 'a.sock'), routes, onError));
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port: free } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return free;
}

/** A connection that sends this and takes nothing of the answer. */
async function stalled(sends: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  sockets.push(socket);
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  socket.pause();
  socket.write(sends);
  return socket;
}

const SCRAPE = 'GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n';
const many = (count: number, sends: string) =>
  Promise.all(Array.from({ length: count }, () => stalled(sends)));

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Rejects when the connection is closed without an answer, or within it. */
function ask(path: string, agent: Agent | false = false): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', path, agent }, (response) => {
      const { statusCode: status = 0, headers } = response;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status, headers, body: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** Asks as a client does that is told when to ask again; without its pause. */
async function askUntilAnswered(path: string): Promise<Reply> {
  for (;;) {
    const reply = await ask(path);
    if (reply.status !== 503) return reply;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.resume();
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });

const lbctlList = () =>
  askAgent({ socketPath: join(directory, 'a.sock'), timeout: 10_000, maxBytes: MIB }, 'GET', '/v1/services');

function usedBuffers(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().arrayBuffers;
}

describe('readers of the TCP port', { timeout: 60_000 }, () => {
  test('who take nothing hold a few answers, not one each; others get theirs, and lbctl its list', async () => {
    await start(PATIENT);
    const before = usedBuffers();
    await many(40, SCRAPE);
    await until(() => holding === TCP_LIMITS.longAnswers);
    expect(await lbctlList()).toEqual(['web']);
    expect((await ask('/healthz')).status).toBe(200);

    const { status, body } = await askUntilAnswered('/metrics');
    expect([status, body.length]).toEqual([200, 16 * MIB]);
    // Who makes room has its answer for a moment longer.
    expect(most).toBeLessThanOrEqual(TCP_LIMITS.longAnswers + 1);
    expect(usedBuffers() - before).toBeLessThan(16 * MIB * (TCP_LIMITS.longAnswers + 2));
    expect(errors).toEqual([]);
  });

  test('hear that there are too many long answers, and when to ask again', async () => {
    await start({ ...PATIENT, patience: NEVER });
    await many(TCP_LIMITS.longAnswers, SCRAPE);
    await until(() => holding === TCP_LIMITS.longAnswers);
    const { status, headers, body } = await ask('/metrics');
    expect([status, headers['retry-after']]).toEqual([503, '2']);
    expect(JSON.parse(body)).toEqual({
      error: '4 long answers are on their way to others, as many as this port gives at a time',
      remedy: 'ask again in 2 seconds; ask less often, or from fewer places',
    });
    for (const socket of sockets) socket.destroy();
    await until(() => holding === 0);
    expect((await ask('/metrics')).status).toBe(200);
  });

  test('hear that there are too many connections; of those that do not ask the latest are kept', async () => {
    await start({ ...PATIENT, connections: 3, refusals: 2, patience: NEVER, request: NEVER });
    await many(3, '');
    const { status, headers, body } = await ask('/healthz');
    expect([status, headers['retry-after'], headers.connection]).toEqual([503, '2', 'close']);
    expect(JSON.parse(body)).toEqual({
      error: '3 connections are open, as many as this port takes',
      remedy: 'ask again in 2 seconds; close those that nobody uses',
    });
    const oldest = await stalled('');
    await many(2, '');
    await closed(oldest);
    expect((await ask('/healthz')).status).toBe(503);
    expect(await lbctlList()).toEqual(['web']);
    for (const socket of sockets) socket.destroy();
    expect((await askUntilAnswered('/healthz')).status).toBe(200);
  });

  test('make room when they have been idle, those that were so longest first', async () => {
    await start({ ...PATIENT, connections: 3, patience: 0 });
    const first = await stalled('');
    const kept = new Agent({ keepAlive: true, maxSockets: 1 });
    await stalled('');
    expect((await ask('/healthz', kept)).status).toBe(200);
    expect((await ask('/healthz')).status).toBe(200);
    await closed(first);
    expect((await ask('/healthz', kept)).status).toBe(200);
    kept.destroy();
  });

  test('keep their room while it is we who make them wait', async () => {
    let open = (): void => undefined;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    await start({ ...PATIENT, longAnswers: 1, patience: 0 });
    const waiting = ask('/slow');
    await until(() => holding === 1);
    expect((await ask('/metrics')).status).toBe(503);
    open();
    expect((await waiting).body).toBe('made');
  });

  test('are left when they take nothing, however often they ask for more', async () => {
    await start({ ...PATIENT, stall: 200 });
    const reader = await stalled(SCRAPE);
    const asking = setInterval(() => reader.write('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n'), 20);
    await until(() => holding === 1);
    await until(() => holding === 0);
    clearInterval(asking);
    await closed(reader);
  });

  test('are left when they take an answer for too long, if bit by bit', async () => {
    await start({ ...PATIENT, answer: 300 });
    const reader = await stalled(SCRAPE);
    const taking = setInterval(() => reader.read(1024), 20);
    await until(() => holding === 1);
    await until(() => holding === 0);
    clearInterval(taking);
    await closed(reader);
  });

  test('are left when they do not come to the end of a request', async () => {
    await start({ ...PATIENT, request: 200 });
    const readers = [...(await many(3, '')), ...(await many(3, 'GET /metrics HTTP/1.1\r\nhost: '))];
    const trickling = setInterval(() => {
      for (const reader of readers.slice(3)) reader.write('a');
    }, 20);
    await Promise.all(readers.map(closed));
    clearInterval(trickling);
  });

  test('give their room back when they go, also what they asked for behind something else', async () => {
    await start({ ...PATIENT, patience: NEVER });
    const reader = await stalled(SCRAPE.repeat(TCP_LIMITS.longAnswers));
    await until(() => holding === TCP_LIMITS.longAnswers);
    expect((await ask('/metrics')).status).toBe(503);
    reader.destroy();
    await until(() => holding === 0);
    expect((await ask('/metrics')).status).toBe(200);
  });

  test('do not keep the server from ending', async () => {
    await start({ ...PATIENT, patience: NEVER });
    const readers = await many(2, SCRAPE);
    await until(() => holding === 2);
    for (const server of servers.splice(0)) await server.close();
    await until(() => holding === 0);
    await Promise.all(readers.map(closed));
  });
});
