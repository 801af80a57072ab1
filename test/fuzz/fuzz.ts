/**
 * `make fuzz`: random packets through the programs and the model, and random histories of several nodes.
 * Exit codes: 0 all went right; 1 something did not; 2 a rule or drop reason was never reached; 3 the time
 * was over before all was done; 64 asked for what makes no sense; 70 it broke.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FLEET_RULES } from '../consistency/run-fleet.ts';
import { RULES } from '../differential/rules.ts';
import { readFailure, replayFailure, writeFailure } from './failure-file.ts';
import { type FuzzOptions, readOptions, UsageError } from './options.ts';
import type { PartMessage, PartOrder } from './part.ts';

const PROGRESS_MS = 10_000;
const PART = fileURLToPath(new URL('part.ts', import.meta.url));
/** Every rule must have come up by then. */
const ENOUGH = { packets: 200_000, histories: 500 } as const;

type Result = Extract<PartMessage, { kind: 'result' }>;
type Part = PartOrder['part'];

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Of a process of its own, so that packets have a core and histories another, if there are two. */
function runPart(order: PartOrder, onProgress: (done: number) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = fork(PART, { execArgv: ['--import', 'tsx'] });
    let result: Result | undefined;
    child.on('message', (message: PartMessage) => {
      onProgress(message.done);
      if (message.kind === 'result') result = message;
    });
    child.on('exit', (code, signal) => {
      if (result === undefined) reject(new Error(`the ${order.part} part ended with ${signal ?? code}`));
      else resolve(result);
    });
    child.send(order);
  });
}

async function fuzz(options: FuzzOptions): Promise<number> {
  const { seed, packets, histories, limit } = options;
  const started = Date.now();
  say(`fuzz: SEED=${seed} PACKETS=${packets} HISTORIES=${histories} MINUTES=${limit / 60_000}`);
  const counts = { packets, histories };
  const done = { packets: 0, histories: 0 };
  const progress = (): void => {
    const seconds = Math.round((Date.now() - started) / 1000);
    const parts = (['packets', 'histories'] as const).map(
      (part) => `${done[part]} of ${counts[part]} ${part}`,
    );
    say(`${String(seconds).padStart(5)} s: ${parts.join(', ')}`);
  };
  const timer = setInterval(progress, PROGRESS_MS);
  const run = async (part: Part): Promise<number> => {
    if (counts[part] === 0) return 0;
    const order = { part, seed, count: counts[part], until: started + limit };
    const result = await runPart(order, (now) => {
      done[part] = now;
    });
    return judge(part, result, options);
  };
  try {
    const codes = await Promise.all([run('packets'), run('histories')]);
    progress();
    return codes.includes(1) ? 1 : Math.max(...codes);
  } finally {
    clearInterval(timer);
  }
}

/** Prints what was hit, and what went wrong; the exit code. */
function judge(part: Part, { done, hits, found }: Result, options: FuzzOptions): number {
  const rules = part === 'packets' ? RULES : FLEET_RULES;
  const counted = new Map(hits);
  const names = [...new Set([...rules, ...counted.keys()])].sort();
  say(`\n${part}: ${done}`);
  for (const name of names) say(`${String(counted.get(name) ?? 0).padStart(9)} ${name}`);
  if (found !== undefined) {
    const { failure, steps, after } = found.disagreement;
    const file = writeFailure(options.seed, found);
    say(`\nfuzz: the ${part} went wrong after ${after}, SEED=${options.seed}; ${steps.length} steps do it:`);
    for (const difference of failure.differences.slice(0, 10)) say(`  ${difference}`);
    say(`fuzz: make fuzz REPLAY=${file} runs them again`);
    return 1;
  }
  const never = rules.filter((name) => !counted.has(name));
  if (done >= ENOUGH[part] && never.length > 0) {
    say(`fuzz: never reached: ${never.join('; ')}`);
    return 2;
  }
  if (done >= (part === 'packets' ? options.packets : options.histories)) return 0;
  say(`fuzz: the time was over; MINUTES= gives more`);
  return 3;
}

async function replay(file: string): Promise<number> {
  const found = readFailure(file);
  const failure = await replayFailure(found);
  if (failure === undefined) {
    say(`fuzz: ${file} goes right`);
    return 0;
  }
  say(`fuzz: ${file} goes wrong at step ${failure.at + 1} of ${found.disagreement.steps.length}:`);
  for (const difference of failure.differences) say(`  ${difference}`);
  return 1;
}

async function main(): Promise<number> {
  const options = readOptions(process.env, Date.now());
  return options.replay === undefined ? fuzz(options) : replay(options.replay);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    const isUsage = error instanceof UsageError;
    console.error(isUsage ? `fuzz: ${error.message}` : error);
    process.exitCode = isUsage ? 64 : 70;
  },
);
