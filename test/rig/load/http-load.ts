/**
 * Steady HTTP requests in parallel loops: `http-load.ts '{"host": ..., "port": ...}'`.
 * Without keep-alive every request is a connection of its own.
 */
import { Agent, get } from 'node:http';
import type { RequestCounters } from './counters.ts';
import { serveCounters, settings } from './serve-counters.ts';

export interface HttpLoadSettings {
  readonly host: string;
  readonly port: number;
  readonly loops: number;
  readonly keepAlive: boolean;
  /** Milliseconds between an answer and the loop's next request. */
  readonly pause: number;
  /** Milliseconds without an answer that count as a failure. */
  readonly timeout: number;
}

const { host, port, loops, keepAlive, pause, timeout } = settings<HttpLoadSettings>();
const counters: RequestCounters = { requests: 0, answers: {}, failures: [], slowest: 0 };
let stopping = false;

/** One request; resolves with the pod's name and whether the connection is new. */
function request(agent: Agent, known: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = get({ host, port, agent, path: '/', timeout }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString().trim());
        else reject(Object.assign(new Error(`status ${response.statusCode}`), { pod: known }));
      });
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeout} ms`)));
    sent.on('error', (error) => reject(sent.reusedSocket ? Object.assign(error, { pod: known }) : error));
  });
}

async function loop(): Promise<void> {
  const agent = new Agent({ keepAlive, maxSockets: 1 });
  let known: string | undefined;
  while (!stopping) {
    const began = Date.now();
    counters.requests++;
    try {
      const pod = await request(agent, known);
      known = pod;
      counters.answers[pod] = (counters.answers[pod] ?? 0) + 1;
      counters.slowest = Math.max(counters.slowest, Date.now() - began);
    } catch (error) {
      const { message, pod } = error as Error & { pod?: string };
      counters.failures.push({ at: Date.now(), error: message, ...(pod === undefined ? {} : { pod }) });
    }
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
  }
  agent.destroy();
}

const running = Promise.all(Array.from({ length: loops }, loop));
await serveCounters(
  () => counters,
  async () => {
    stopping = true;
    await running;
  },
);
