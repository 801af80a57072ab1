/** An HTTPS proxy before the API server that spoils answers. It asks as the admin, or passes on a token. */

import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request, type Server } from 'node:https';
import type { ControlPlane } from './control-plane.ts';

/**
 * - an `{ status, body }` instead of the server's answer
 * - `slow`: headers never come
 * - `cut`: the answer ends in the middle, in order
 * - `stall`: the answer stops in the middle, and does not end
 */
export type Spoil = 'slow' | 'cut' | 'stall' | { readonly status: number; readonly body: string } | undefined;

export class FaultyGateway {
  /** Asked for each request. */
  spoil: (path: string) => Spoil = () => undefined;
  readonly requests: string[] = [];

  private constructor(
    readonly port: number,
    readonly plane: ControlPlane,
    readonly server: Server,
  ) {}

  static async listen(port: number, plane: ControlPlane): Promise<FaultyGateway> {
    const server = createServer({
      cert: readFileSync(plane.file('server.crt')),
      key: readFileSync(plane.file('server.key')),
    });
    const gateway = new FaultyGateway(port, plane, server);
    server.on('request', (incoming: IncomingMessage, response: ServerResponse) =>
      gateway.#answer(incoming, response),
    );
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return gateway;
  }

  /** Ends what is open, so that clients ask anew. */
  disconnect(): void {
    this.server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): void {
    const path = incoming.url ?? '';
    this.requests.push(path);
    const spoil = this.spoil(path);
    if (spoil === 'slow') return;
    if (typeof spoil === 'object') {
      response.writeHead(spoil.status, { 'content-type': 'application/json' });
      response.end(spoil.body);
      return;
    }
    const upstream = request(
      { host: '127.0.0.1', port: this.plane.port, path, ...this.plane.credentials },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, { 'content-type': 'application/json' });
        if (spoil === undefined) {
          response.flushHeaders();
          answer.pipe(response);
          return;
        }
        answer.once('data', (chunk: Buffer) => {
          response.write(chunk.subarray(0, Math.floor(chunk.length / 2)));
          if (spoil === 'cut') response.end();
          upstream.destroy();
        });
      },
    );
    upstream.on('error', () => {
      if (spoil === undefined) response.destroy();
    });
    response.on('close', () => upstream.destroy());
    upstream.end();
  }
}
