/**
 * Steady DNS queries over UDP in parallel loops, each query from a new port,
 * so that each is a flow of its own. (Starting `dig` for each would cost more
 * than everything that is looked at.)
 */
import { createSocket } from 'node:dgram';
import type { RequestCounters } from './counters.ts';
import { serveCounters, settings } from './serve-counters.ts';

export interface DnsLoadSettings {
  readonly host: string;
  readonly port: number;
  /** Its TXT record is the pod's name. */
  readonly name: string;
  readonly loops: number;
  /** Milliseconds. */
  readonly pause: number;
  readonly timeout: number;
}

const { host, port, name, loops, pause, timeout } = settings<DnsLoadSettings>();
const counters: RequestCounters = { requests: 0, answers: {}, failures: [], slowest: 0 };
let stopping = false;

const TXT = 16;
const HEADER = 12;

/** RFC 1035, 4.1: one question, recursion not desired. */
function query(id: number): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(1, 4);
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  return Buffer.concat([header, ...labels, Buffer.of(0, 0, TXT, 0, 1)]);
}

/** The text of the first answer, which follows the repeated question with a compressed name. */
function firstText(question: Buffer, answer: Buffer): string {
  if (answer.readUInt16BE(6) === 0) throw new Error(`no answer record (rcode ${answer.readUInt8(3) & 15})`);
  const record = question.length;
  const text = record + 2 + 2 + 2 + 4 + 2;
  return answer.toString('latin1', text + 1, text + 1 + answer.readUInt8(text));
}

function ask(): Promise<string> {
  const id = Math.floor(Math.random() * 65536);
  const question = query(id);
  const socket = createSocket('udp4');
  return new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeout} ms`)), timeout);
    socket.on('message', (answer) => {
      clearTimeout(timer);
      if (answer.readUInt16BE(0) !== id) reject(new Error('answer to another query'));
      else resolve(firstText(question, answer));
    });
    socket.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    // Connected: only answers from the VIP itself are taken, and port unreachable is heard.
    socket.connect(port, host, () => socket.send(question));
  }).finally(() => socket.close());
}

async function loop(): Promise<void> {
  while (!stopping) {
    const began = Date.now();
    counters.requests++;
    try {
      const pod = await ask();
      counters.answers[pod] = (counters.answers[pod] ?? 0) + 1;
      counters.slowest = Math.max(counters.slowest, Date.now() - began);
    } catch (error) {
      counters.failures.push({ at: Date.now(), error: (error as Error).message });
    }
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

const running = Promise.all(Array.from({ length: loops }, loop));
await serveCounters(
  () => counters,
  async () => {
    stopping = true;
    await running;
  },
);
