/**
 * The load programs' side of the conversation: each line on standard input
 * is answered by one line of JSON with the counters. `stop`, or the end of
 * the input because the rig's owner died, ends the program.
 */
import { createInterface } from 'node:readline';

export async function serveCounters(read: () => unknown, stop: () => Promise<void>): Promise<never> {
  process.stdout.write('"ready"\n');
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'stop') break;
    process.stdout.write(`${JSON.stringify(read())}\n`);
  }
  await stop();
  await new Promise<void>((resolve) => process.stdout.write(`${JSON.stringify(read())}\n`, () => resolve()));
  process.exit(0);
}

/** The program's settings: JSON in its only argument. */
export function settings<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}
