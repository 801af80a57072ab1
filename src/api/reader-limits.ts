/**
 * What readers whom nobody has checked can hold of this process: connections, long answers, and time. An
 * answer of megabytes is in memory until its reader has it, so that many readers that take nothing would
 * otherwise hold as much memory as they like. Who takes nothing makes room for who comes new.
 */
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HttpError } from './http-error.ts';

/** Times are in milliseconds. */
export interface ReaderLimits {
  /** Connections that are answered. */
  readonly connections: number;
  /** Connections beyond these that are to be told so; for one more the oldest of them is closed. */
  readonly refusals: number;
  /** Answers in pieces that are in the making or on their way, at a time. */
  readonly longAnswers: number;
  /** Who has neither asked nor taken anything for this long makes room when a limit is reached. */
  readonly patience: number;
  /** An answer of which nothing was taken for this long is broken off. */
  readonly stall: number;
  /** The same of a long answer that was not taken as a whole. */
  readonly answer: number;
  /** For a request's headers, and for being told that there is no room. */
  readonly request: number;
  /** How often all this is looked at. */
  readonly look: number;
}

export const TCP_LIMITS: ReaderLimits = {
  connections: 64,
  refusals: 64,
  longAnswers: 4,
  patience: 1_000,
  stall: 10_000,
  answer: 60_000,
  request: 5_000,
  look: 1_000,
};

const RETRY_AFTER_SECONDS = 2;

interface Connection {
  readonly socket: Socket;
  readonly since: number;
  /** There was no room for it. */
  readonly isRefused: boolean;
  /** When it last asked for or took something, as of the last look. */
  movedAt: number;
  /** Bytes that the kernel has taken, and whether more of them waited, at the last look. */
  sent: number;
  isWaiting: boolean;
  /** Requests that are not answered to the end. */
  open: number;
}

export class ReaderGuard {
  readonly #limits: ReaderLimits;
  readonly #connections = new Map<Socket, Connection>();
  /** Each long answer with the time when it began; also when its reader is gone, until nobody works on it. */
  readonly #longAnswers = new Map<ServerResponse, number>();

  constructor(limits: ReaderLimits) {
    this.#limits = limits;
  }

  /** Follows the server's connections until it is closed. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#add(socket));
    const timer = setInterval(() => this.#endTheSlow(), this.#limits.look).unref();
    server.on('close', () => clearInterval(timer));
  }

  /** Of a request, before anything is done for it. Throws a 503 when its connection is one too many. */
  admit(response: ServerResponse): void {
    const connection = this.#connections.get(response.req.socket);
    if (connection === undefined) return; // it is gone already
    connection.open += 1;
    connection.movedAt = performance.now();
    response.on('close', () => {
      connection.open -= 1;
      connection.movedAt = performance.now();
    });
    if (!connection.isRefused) return;
    response.setHeader('connection', 'close');
    throw tooMany(
      `${this.#limits.connections} connections are open, as many as this port takes`,
      'close those that nobody uses',
    );
  }

  /** Before a long answer is begun; returns what to call at its end. Throws a 503 when there are too many. */
  beginLong(response: ServerResponse): () => void {
    const { longAnswers } = this.#limits;
    if (this.#longAnswers.size >= longAnswers && !this.#makeRoom(this.#readers())) {
      throw tooMany(
        `${longAnswers} long answers are on their way to others, as many as this port gives at a time`,
        'ask less often, or from fewer places',
      );
    }
    this.#longAnswers.set(response, performance.now());
    return () => this.#longAnswers.delete(response);
  }

  #add(socket: Socket): void {
    const now = performance.now();
    const isRefused = !this.#hasRoom();
    if (isRefused) this.#refuseLess();
    const fresh = { sent: 0, isWaiting: false, open: 0 };
    this.#connections.set(socket, { socket, since: now, isRefused, movedAt: now, ...fresh });
    socket.on('close', () => this.#connections.delete(socket));
  }

  #hasRoom(): boolean {
    const taken = this.#all(false);
    return taken.length < this.#limits.connections || this.#makeRoom(taken);
  }

  /** The latest keep their room: who means to be answered asks at once. */
  #refuseLess(): void {
    const refused = this.#all(true);
    if (refused.length >= this.#limits.refusals) this.#end(refused[0] as Connection);
  }

  /** In the order in which they came. */
  #all(isRefused: boolean): Connection[] {
    return [...this.#connections.values()].filter((connection) => connection.isRefused === isRefused);
  }

  /** The connections that long answers are for. */
  #readers(): Connection[] {
    return [...this.#longAnswers.keys()].flatMap(({ req }) => this.#connections.get(req.socket) ?? []);
  }

  /** Ends the one that has been idle or stalled longest; not those that wait for us. */
  #makeRoom(connections: readonly Connection[]): boolean {
    const now = performance.now();
    this.#look(now);
    const [longest] = connections
      .filter(({ open, isWaiting }) => open === 0 || isWaiting)
      .filter(({ movedAt }) => now - movedAt >= this.#limits.patience)
      .sort((a, b) => a.movedAt - b.movedAt);
    if (longest === undefined) return false;
    this.#end(longest);
    return true;
  }

  #look(now: number): void {
    for (const connection of this.#connections.values()) {
      const { bytesWritten, writableLength } = connection.socket;
      const sent = bytesWritten - writableLength;
      const isOurs = connection.open > 0 && !connection.isWaiting;
      if (sent !== connection.sent || isOurs) connection.movedAt = now;
      connection.sent = sent;
      connection.isWaiting = writableLength > 0;
    }
  }

  #endTheSlow(): void {
    const now = performance.now();
    const { stall, answer, request } = this.#limits;
    this.#look(now);
    for (const connection of [...this.#connections.values()]) {
      const { isWaiting, isRefused, movedAt, since } = connection;
      if ((isWaiting && now - movedAt >= stall) || (isRefused && now - since >= request)) {
        this.#end(connection);
      }
    }
    for (const [response, since] of [...this.#longAnswers]) {
      if (now - since >= answer) response.req.socket.destroy();
    }
  }

  /** Its room is free at once. */
  #end({ socket }: Connection): void {
    this.#connections.delete(socket);
    socket.destroy();
  }
}

function tooMany(what: string, remedy: string): HttpError {
  const again = `ask again in ${RETRY_AFTER_SECONDS} seconds`;
  return new HttpError(503, what, `${again}; ${remedy}`, RETRY_AFTER_SECONDS);
}
