/** What answers on the socket is not trusted: every broken answer is a clear error, none a stack trace. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askAgent } from '../../../src/cli/agent-client.ts';
import { CliError } from '../../../src/cli/cli-error.ts';
import { type FakeAgent, json, type Responder, startFakeAgent } from './fake-agent.ts';
import { lbctl, type Outcome } from './fake-host.ts';
import { connections, services, stats, status } from './fixtures.ts';

let agent: FakeAgent;
beforeEach(async () => {
  agent = await startFakeAgent();
});
afterEach(() => agent.close());

const raw =
  (body: string, code = 200): Responder =>
  (_request, response) => {
    response.writeHead(code);
    response.end(body);
  };

async function listWith(responder: Responder, ...more: string[]): Promise<Outcome> {
  agent.answer('/v1/services', responder);
  const outcome = await lbctl(['--socket', agent.socket, ...more, 'service', 'list']);
  expect(outcome.stdout).toBe('');
  expect(outcome.stderr).not.toMatch(/\n {4}at /);
  return outcome;
}

describe('an answer that is not as it should be', () => {
  const broken: ReadonlyArray<readonly [name: string, responder: Responder, code: number, says: RegExp]> = [
    ['is empty', raw(''), 6, /GET \/v1\/services .* is not JSON: it begins with nothing/],
    ['is HTML', raw('<html>hello'), 6, /not JSON: it begins with "<html>hello"/],
    ['is JSON cut short', raw('[{"id": 1'), 6, /not JSON/],
    ['is JSON of something else', json({ services: [] }), 6, /the answer is an object, not a list/],
    [
      'lacks a field',
      json([{ ...services[0], backends: undefined }]),
      6,
      /\[0\]\.backends is missing, not a list/,
    ],
    [
      'has another type',
      json([{ ...services[0], id: 'x'.repeat(99) }]),
      6,
      /\[0\]\.id is "x+\.\.\., not a number/,
    ],
    ['has null', json([null]), 6, /\[0\] is null, not an object/],
    [
      'is of an agent without this path',
      json({ error: 'there is no /v1/services', remedy: '' }, 404),
      6,
      /HTTP 404.*there is no/,
    ],
    [
      'is no success',
      json({ error: 'maps are gone', remedy: 'restart lb-agent' }, 500),
      1,
      /HTTP 500\): maps are gone\.\nrestart lb-agent/,
    ],
    ['is no success, without a word', raw('', 503), 1, /HTTP 503\)\.\nRead the agent's log/],
    ['is a refusal', json({ error: 'root only', remedy: '' }, 403), 5, /HTTP 403\): root only/],
  ];
  it.each(broken)('%s', async (_name, responder, code, says) => {
    const outcome = await listWith(responder);
    expect(outcome.stderr).toMatch(says);
    expect(outcome.code).toBe(code);
  });

  it('never comes', async () => {
    const { code, stderr } = await listWith(() => undefined, '--timeout', '0.2');
    expect(code).toBe(1);
    expect(stderr).toMatch(/did not answer GET \/v1\/services on .*agent\.sock within 0\.2 s.*\n.*--offline/);
  });

  it('drips for ever', async () => {
    const dripping: Responder = (_request, response) => {
      const timer = setInterval(() => response.write(' '), 5);
      response.on('close', () => clearInterval(timer));
    };
    const { code, stderr } = await listWith(dripping, '--timeout', '0.2');
    expect(code).toBe(1);
    expect(stderr).toMatch(/did not answer/);
  });

  it('breaks off', async () => {
    const { code, stderr } = await listWith((request) => void request.socket.destroy());
    expect(code).toBe(1);
    expect(stderr).toMatch(/broke off \(ECONNRESET\).*\n.*try again/);
    const later = await listWith((request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('[', () => request.socket.destroy());
    });
    expect(later.code).toBe(1);
    expect(later.stderr).toMatch(/broke off/);
  });

  it('is larger than what is read', async () => {
    agent.answer('/v1/services', raw('x'.repeat(5000)));
    const endpoint = { socketPath: agent.socket, timeout: 5000, maxBytes: 4999 };
    await expect(askAgent(endpoint, 'GET', '/v1/services')).rejects.toThrow(/longer than 4999 bytes/);
    await expect(askAgent({ ...endpoint, maxBytes: 5000 }, 'GET', '/v1/services')).rejects.toThrow(
      /not JSON/,
    );
  });

  it('has fields that this lbctl does not know, which are kept', async () => {
    agent.answer('/v1/services', json([{ ...services[0], mode: 'dsr', tunnel: 'gue' }]));
    const { stdout, code } = await lbctl(['--socket', agent.socket, 'service', 'list', '-o', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([{ ...services[0], mode: 'dsr', tunnel: 'gue' }]);
  });
});

describe('a socket', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l4lb-f-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('on which nothing speaks HTTP', async () => {
    const path = join(directory, 'other.sock');
    const open: Socket[] = [];
    const server = createTcpServer((socket) => {
      open.push(socket);
      socket.on('error', () => undefined);
      socket.write('SSH-2.0-nothing\r\n');
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const { code, stderr } = await lbctl(['--socket', path, 'status']);
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    expect(code).toBe(6);
    expect(stderr).toMatch(/other\.sock does not speak HTTP \(HPE_/);
  });

  it('whose path is too long', async () => {
    const { code, stderr } = await lbctl(['--socket', `/${'x'.repeat(120)}`, 'status']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/cannot be the path of a unix socket: it has more than 107 bytes\.\n.*--socket/);
  });

  it.each(['nothing', 'file'])(
    'that is %s sends to the pinned maps; with none, both places are named',
    async (kind) => {
      const path = join(directory, 'agent.sock');
      if (kind === 'file') writeFileSync(path, '');
      const pins = join(directory, 'pins');
      const { code, stdout, stderr } = await lbctl([
        '--socket',
        path,
        '--bpf-directory',
        pins,
        'service',
        'list',
      ]);
      expect(code).toBe(4);
      expect(stdout).toBe('');
      expect(stderr).toContain(path);
      expect(stderr).toContain(pins);
      expect(stderr).toMatch(/Start lb-agent/);
    },
  );
});

describe('names that somebody made to deceive', () => {
  const evil = 'a\x1b[2J\x9b1A\u202e\nroot';

  /** The same shape with the evil text at the end of every text. */
  function poison<T>(value: T): T {
    if (typeof value === 'string') return `${value}${evil}` as T;
    if (Array.isArray(value)) return value.map(poison) as T;
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, poison(entry)])) as T;
  }

  it.each([
    ['service', 'list'],
    ['service', 'get', '62'],
    ['backend', 'list'],
    ['conn', 'list'],
    ['stats', '--all'],
    ['status'],
    ['problems'],
    ['maglev', 'show', '62'],
    ['version'],
    ['drain'],
  ])('reach the terminal escaped from %s %s', async (...words) => {
    agent.answer('/v1/services', json(poison(services)));
    agent.answer('/v1/connections', json(poison(connections)));
    agent.answer('/v1/stats', json(poison(stats)));
    agent.answer('/v1/status', json(poison(status)));
    agent.answer(
      '/v1/maglev',
      json(poison({ frontend: '', name: '', tableSize: 1, fingerprint: '', backends: [] })),
    );
    for (const format of ['table', 'wide', 'json', 'yaml']) {
      if (format === 'wide' && ['version', 'drain'].includes(words[0] ?? '')) continue;
      const terminal = { isTerminal: true, columns: 300, env: { NO_COLOR: '1' } };
      const { code, stdout } = await lbctl(['--socket', agent.socket, ...words, '-o', format], terminal);
      expect(code).toBe(0);
      expect(stdout).toContain('root');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(stdout).not.toMatch(/[\x1b\x9b\u202e]/);
      expect(stdout).not.toMatch(/^root/m);
    }
  });

  it('and from error messages', async () => {
    agent.answer('/v1/services', json({ error: evil, remedy: evil }, 500));
    const { stderr } = await lbctl(['--socket', agent.socket, 'service', 'list']);
    expect(stderr).toContain('\\x1b[2J');
    expect(stderr).not.toContain('\x1b');
  });
});

it('throws CliErrors only', async () => {
  agent.answer('/v1/status', raw('{'));
  const endpoint = { socketPath: agent.socket, timeout: 5000, maxBytes: 100 };
  await expect(askAgent(endpoint, 'GET', '/v1/status')).rejects.toBeInstanceOf(CliError);
});
