import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HttpError } from '../../../src/api/http-error.ts';
import { type ApiServer, serveOnSocket } from '../../../src/api/server.ts';

let directory: string;
let socket: string;
let server: ApiServer | undefined;
const errors: unknown[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-api-'));
  socket = join(directory, 'a.sock');
  errors.length = 0;
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(directory, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await serveOnSocket(
    socket,
    {
      'GET /v1/status': (query) => ({ json: { q: query.get('q') } }),
      'GET /text': () => ({ text: 'plain', contentType: 'text/plain' }),
      'POST /v1/drain': () => ({ status: 202, json: { ok: true } }),
      'GET /bad': () => {
        throw new HttpError(400, 'bad value', 'give a good one');
      },
      'GET /items': () => ({ items: items() }),
      'GET /none': () => ({ items: asynchronous([]) }),
      'GET /pieces': () => ({ pieces: asynchronous(['a', Buffer.from('b')]), contentType: 'text/x' }),
      'GET /late-bug': () => ({ items: failing(50_000) }),
      'GET /early-bug': () => ({ items: failing(0) }),
      'GET /bug': () => Promise.reject(new Error('a bug')),
    },
    (error) => errors.push(error),
  );
}

async function* asynchronous<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

let given = 0;
let ended = false;
const MANY = 200_000;

async function* items(): AsyncGenerator<unknown> {
  try {
    for (given = 0; given < MANY; given++) yield { given };
  } finally {
    ended = true;
  }
}

async function* failing(after: number): AsyncGenerator<unknown> {
  for (let n = 0; n < after; n++) yield { n };
  throw new Error('a bug');
}

interface Reply {
  readonly status: number;
  readonly body: string;
}

function ask(method: string, path: string, body = ''): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: socket, method, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function raw(bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const client = connect(socket, () => client.end(bytes));
    let text = '';
    client.on('data', (chunk) => {
      text += chunk;
    });
    client.on('error', () => undefined);
    client.on('close', () => resolve(text));
  });
}

describe('the API server', () => {
  test('answers its routes, as JSON or text', async () => {
    await start();
    expect(await ask('GET', '/v1/status?q=1')).toEqual({ status: 200, body: '{"q":"1"}\n' });
    expect(await ask('GET', '/text')).toEqual({ status: 200, body: 'plain' });
    expect(await ask('POST', '/v1/drain')).toEqual({ status: 202, body: '{"ok":true}\n' });
  });

  test('says what is wrong and what to do', async () => {
    await start();
    const json = async (method: string, path: string) => {
      const { status, body } = await ask(method, path);
      return { status, ...(JSON.parse(body) as object) };
    };
    expect(await json('GET', '/bad')).toEqual({ status: 400, error: 'bad value', remedy: 'give a good one' });
    expect(await json('GET', '/v1/drain')).toMatchObject({ status: 405, remedy: 'use POST' });
    expect(await json('GET', '/nope')).toMatchObject({ status: 404, error: 'there is no /nope' });
    expect(await json('GET', '/constructor')).toMatchObject({ status: 404 });
    expect(await json('GET', '/bug')).toMatchObject({ status: 500, error: 'a bug' });
    expect(errors.map(String)).toEqual(['Error: a bug']);
    expect(await ask('POST', '/v1/drain', 'x'.repeat(100_000)).catch(() => ({ status: 413 }))).toMatchObject({
      status: 413,
    });
  });

  test('sends long answers in pieces', async () => {
    await start();
    const { status, body } = await ask('GET', '/items');
    expect(status).toBe(200);
    const all = JSON.parse(body) as Array<{ given: number }>;
    expect(all.length).toBe(MANY);
    expect(all.every((item, index) => item.given === index)).toBe(true);
    expect(await ask('GET', '/none')).toEqual({ status: 200, body: '[]\n' });
    expect(await ask('GET', '/pieces')).toEqual({ status: 200, body: 'ab' });
    expect(await ask('HEAD', '/items')).toEqual({ status: 200, body: '' });
  });

  test('an error in the middle breaks the answer off, one at its beginning is told', async () => {
    await start();
    await expect(ask('GET', '/late-bug')).rejects.toThrow();
    expect(errors.map(String)).toEqual(['Error: a bug']);
    expect((await ask('GET', '/early-bug')).status).toBe(500);
    expect((await ask('GET', '/text')).status).toBe(200);
  });

  test('makes no more than a client takes, and ends when it goes', async () => {
    await start();
    ended = false;
    const client = connect(socket);
    client.write('GET /items HTTP/1.1\r\nhost: a\r\n\r\n');
    client.pause();
    for (let before = -1, same = 0; same < 100; before = given) {
      await new Promise((resolve) => setImmediate(resolve));
      same = given > 0 && given === before ? same + 1 : 0;
    }
    expect(given).toBeLessThan(MANY);
    expect(ended).toBe(false);
    client.destroy();
    while (!ended) await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBeLessThan(MANY);
    expect(errors).toEqual([]);
  });

  test('is open to owner and group only, from the first moment', async () => {
    await start();
    expect(statSync(socket).mode & 0o777).toBe(0o660);
  });

  test('takes over a socket that nobody answers on, and refuses one that is alive', async () => {
    const dead = createServer().listen(socket);
    await new Promise((resolve) => dead.once('listening', resolve));
    await expect(start()).rejects.toThrow(/another process answers/);
    await new Promise((resolve) => dead.close(resolve));
    if (!existsSync(socket)) writeFileSync(socket, '');
    chmodSync(socket, 0o600);
    await start();
    expect((await ask('GET', '/text')).status).toBe(200);
  });

  test('a path that is too long is named', async () => {
    await expect(serveOnSocket(`/tmp/${'x'.repeat(120)}`, {}, () => undefined)).rejects.toThrow(/107 bytes/);
  });

  test('lives on after whatever bytes it gets', async () => {
    await start();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.webPath().map((path) => `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`),
          fc.string().map((path) => `GET /${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`),
          fc.string().map((text) => `POST /v1/drain HTTP/1.1\r\ncontent-length: ${text}\r\n\r\n${text}`),
          fc.constantFrom('GET //[ HTTP/1.1\r\nhost: a\r\n\r\n', 'GET * HTTP/1.1\r\nhost: a\r\n\r\n'),
        ),
        async (bytes) => {
          await raw(bytes);
        },
      ),
      { numRuns: 100 },
    );
    await raw(`GET /${'x'.repeat(5000)} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    await raw(`GET / HTTP/1.1\r\nx: ${'x'.repeat(50_000)}\r\n\r\n`);
    expect(await ask('GET', '/text')).toEqual({ status: 200, body: 'plain' });
  });
});
