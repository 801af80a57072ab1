/**
 * Long-lived TCP connections to the echo pods. Each sends a chunk, waits for
 * every byte of it to come back, compares, pauses, and goes on.
 */
import { connect, type Socket } from 'node:net';
import type { StreamCounters } from './counters.ts';
import { serveCounters, settings } from './serve-counters.ts';

export interface StreamLoadSettings {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Bytes sent at once. */
  readonly chunk: number;
  /** Milliseconds between two chunks. */
  readonly pause: number;
  /** Milliseconds without the echo that count as broken: a lost connection often just falls silent. */
  readonly patience: number;
  /** Local address. */
  readonly from?: string;
  /** Milliseconds that a connection lives on average; what ends or breaks is followed by a new one. */
  readonly life?: number;
}

interface Stream {
  pod: string | undefined;
  verified: number;
  up: boolean;
}

const { host, port, connections, chunk, pause, patience, from, life } = settings<StreamLoadSettings>();
let begun = 0;
const streams: Stream[] = [];
const broken: StreamCounters['broken'] = [];
const refused: StreamCounters['refused'] = [];
let stopping = false;

/** Bytes that repeat at no power of two, so that a shifted stream is seen. */
const pattern = Buffer.from(Array.from({ length: chunk + 251 }, (_, at) => (at * 7 + (at >> 8)) % 251));

class Reader {
  #held = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #end: Error | undefined;

  constructor(socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.#held = Buffer.concat([this.#held, data]);
      this.#wake?.();
    });
    socket.on('error', (error) => this.#finish(error));
    socket.on('close', () => this.#finish(new Error('closed by the other side')));
  }

  /** Waits for what `size` says is a whole piece, and takes it. */
  async take(size: (held: Buffer) => number | undefined): Promise<Buffer> {
    const deadline = Date.now() + patience;
    for (;;) {
      const length = size(this.#held);
      if (length !== undefined) {
        const piece = this.#held.subarray(0, length);
        this.#held = this.#held.subarray(length);
        return piece;
      }
      if (this.#end !== undefined) throw this.#end;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no echo within ${patience} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #finish(error: Error): void {
    this.#end ??= error;
    this.#wake?.();
  }
}

/** Ends have no memory, like those of a radioactive nucleus: as many in each second. */
function endOf(began: number): number {
  return life === undefined ? Number.POSITIVE_INFINITY : began - life * Math.log(1 - Math.random());
}

async function run(): Promise<void> {
  const stream: Stream = { pod: undefined, verified: 0, up: false };
  streams.push(stream);
  do await connection(stream);
  while (life !== undefined && !stopping);
}

async function connection(stream: Stream): Promise<void> {
  const began = Date.now();
  const end = endOf(began);
  stream.pod = undefined;
  const socket = connect({
    host,
    port,
    noDelay: true,
    ...(from === undefined ? {} : { localAddress: from }),
  });
  try {
    const reader = new Reader(socket);
    const name = await reader.take((held) => (held.includes(10) ? held.indexOf(10) + 1 : undefined));
    stream.pod = name.toString().trim();
    stream.up = true;
    begun += 1;
    while (!stopping && Date.now() < end) {
      const data = pattern.subarray(stream.verified % 251, (stream.verified % 251) + chunk);
      socket.write(data);
      const echo = await reader.take((held) => (held.length >= chunk ? chunk : undefined));
      if (!echo.equals(data)) throw new Error(`wrong bytes after ${stream.verified}`);
      stream.verified += chunk;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  } catch (error) {
    stream.up = false;
    const failure = { at: Date.now(), error: (error as Error).message };
    if (stream.pod === undefined) refused.push(failure);
    else broken.push({ ...failure, pod: stream.pod, began });
    // Where nobody listens the next attempt would fail as fast.
    if (life !== undefined) await new Promise((resolve) => setTimeout(resolve, pause));
  } finally {
    stream.up = false;
    socket.destroy();
  }
}

function counters(): StreamCounters {
  const up = streams.filter((stream) => stream.up);
  const byPod: Record<string, number> = {};
  for (const { pod = '?' } of up) byPod[pod] = (byPod[pod] ?? 0) + 1;
  return {
    open: up.length,
    begun,
    broken,
    refused,
    byPod,
    verifiedBytes: streams.reduce((sum, stream) => sum + stream.verified, 0),
    leastBytes: up.length === 0 ? 0 : Math.min(...up.map((stream) => stream.verified)),
    mostBytes: Math.max(0, ...up.map((stream) => stream.verified)),
  };
}

const running = Promise.all(Array.from({ length: connections }, run));
await serveCounters(counters, async () => {
  stopping = true;
  await running;
});
