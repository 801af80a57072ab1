/** An HTTP server on a unix socket that answers as the agent does, or as it never should. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StatusView } from '../../../src/api/types.ts';
import { connections, maglevTables, services, stats, status } from './fixtures.ts';

export type Responder = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

export interface FakeAgent {
  readonly socket: string;
  /** `GET /v1/services`, in the order they came. */
  readonly requests: string[];
  /** Answers this path (without query) from now on. */
  answer(path: string, responder: Responder): void;
  close(): Promise<void>;
}

export function json(value: unknown, code = 200): Responder {
  return (_request, response) => {
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
}

export async function startFakeAgent(): Promise<FakeAgent> {
  const directory = mkdtempSync(join(tmpdir(), 'l4lb-f-'));
  const socket = join(directory, 'agent.sock');
  const requests: string[] = [];
  const responders = healthyAgent();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://agent');
    requests.push(`${request.method} ${url.pathname}${decodeURIComponent(url.search)}`);
    const responder =
      responders.get(url.pathname) ?? json({ error: `there is no ${url.pathname}`, remedy: '' }, 404);
    responder(request, response, url);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    requests,
    answer: (path, responder) => responders.set(path, responder),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true });
    },
  };
}

function healthyAgent(): Map<string, Responder> {
  let current: StatusView = status;
  const setDrained = (drained: boolean): Responder => {
    return (request, response, url) => {
      const vip = {
        ...status.vip,
        up: !drained,
        announce: drained ? ('drained' as const) : ('yes' as const),
      };
      if (request.method === 'POST') current = { ...status, vip };
      json(current, request.method === 'POST' ? 200 : 405)(request, response, url);
    };
  };
  return new Map<string, Responder>([
    ['/v1/status', (request, response, url) => json(current)(request, response, url)],
    ['/v1/services', json(services)],
    ['/v1/connections', json(connections)],
    ['/v1/stats', json(stats)],
    [
      '/v1/maglev',
      (request, response, url) => {
        const table = maglevTables[url.searchParams.get('service') ?? ''];
        const refusal = json({ error: 'no such service', remedy: 'give another' }, 404);
        (table === undefined ? refusal : json(table))(request, response, url);
      },
    ],
    ['/v1/drain', setDrained(true)],
    ['/v1/undrain', setDrained(false)],
  ]);
}
