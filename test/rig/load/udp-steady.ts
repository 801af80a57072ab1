/** Steady datagrams from one port, and so of one flow, as a client does that never opens another socket. */
import { createSocket } from 'node:dgram';
import type { RequestCounters } from './counters.ts';
import { serveCounters, settings } from './serve-counters.ts';

export interface UdpSteadySettings {
  readonly host: string;
  readonly port: number;
  /** Milliseconds between two datagrams. */
  readonly pause: number;
}

const { host, port, pause } = settings<UdpSteadySettings>();
const counters: RequestCounters = { requests: 0, answers: {}, failures: [], slowest: 0 };
const socket = createSocket('udp4');
socket.on('error', ({ message }) => counters.failures.push({ at: Date.now(), error: message }));
socket.on('message', (answer) => {
  const pod = answer.toString().trim();
  counters.answers[pod] = (counters.answers[pod] ?? 0) + 1;
});
await new Promise<void>((resolve) => socket.connect(port, host, resolve));
const timer = setInterval(() => {
  counters.requests++;
  socket.send('who are you?');
}, pause);

await serveCounters(
  () => counters,
  async () => clearInterval(timer),
);
