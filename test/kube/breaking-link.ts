/** A TCP proxy that breaks as networks do. */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** `refuse`: nobody listens. `silent`: bytes vanish in both directions, and nobody says so. */
export type LinkState = 'open' | 'refuse' | 'silent';

export class BreakingLink {
  #state: LinkState = 'open';
  #server: Server | undefined;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  accepted = 0;

  private constructor(
    readonly port: number,
    readonly target: { readonly host: string; readonly port: number },
  ) {}

  static async listen(
    port: number,
    target: { readonly host: string; readonly port: number },
  ): Promise<BreakingLink> {
    const link = new BreakingLink(port, target);
    await link.#listen();
    return link;
  }

  /** Changes what happens to connections, also to those that are open; `refuse` resets them. */
  async become(state: LinkState): Promise<void> {
    this.#state = state;
    if (state === 'refuse') {
      await this.close();
      return;
    }
    if (this.#server === undefined) await this.#listen();
  }

  /** Resets what is open; new connections are taken. */
  reset(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
    this.#pairs.clear();
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => {
      if (server === undefined) resolve();
      else server.close(() => resolve());
    });
    this.reset();
    await closed;
  }

  async #listen(): Promise<void> {
    const server = createServer((client) => this.#join(client));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
  }

  #join(client: Socket): void {
    this.accepted += 1;
    const upstream = connect(this.target.port, this.target.host);
    const pair = [client, upstream] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client] as const]) {
      // Silence has begun for a connection: what was lost is lost.
      let lost = false;
      from.on('data', (data) => {
        lost ||= this.#state === 'silent';
        if (!lost) to.write(data);
      });
      from.on('end', () => {
        if (this.#state !== 'silent') to.end();
      });
      from.on('error', () => {
        if (this.#state !== 'silent') to.resetAndDestroy();
      });
      from.on('close', () => {
        if (client.destroyed && upstream.destroyed) this.#pairs.delete(pair);
      });
    }
  }
}
