import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drainedMark } from '../../../src/agent/drained-mark.ts';
import { loadHashSeed, seedFingerprint } from '../../../src/agent/hash-seed.ts';
import { lockRuntime } from '../../../src/agent/lock.ts';
import { formatForPeople } from '../../../src/agent/logger.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-agent-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the hash seed', () => {
  test('is made once, kept, and nobody else may read it', () => {
    const file = join(directory, 'hash-seed');
    const seed = loadHashSeed(undefined, file);
    expect(loadHashSeed(undefined, file)).toBe(seed);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(loadHashSeed(undefined, join(directory, 'other'))).not.toBe(seed);
  });

  test('of a configured file is read, and missing or wrong is an error that says how to make one', () => {
    const file = join(directory, 'shared');
    expect(() => loadHashSeed(file, join(directory, 'own'))).toThrow(/does not exist.*openssl rand/);
    writeFileSync(file, 'not a seed\n');
    expect(() => loadHashSeed(file, join(directory, 'own'))).toThrow(/hash\.seedFile.*16 hexadecimal digits/);
    writeFileSync(file, '0123456789abcdef\n');
    expect(loadHashSeed(file, join(directory, 'own'))).toBe(0x0123456789abcdefn);
  });

  test('has a fingerprint that tells seeds apart', () => {
    expect(seedFingerprint(0x0123456789abcdefn)).toMatch(/^[0-9a-f]{8}$/);
    expect(seedFingerprint(1n)).not.toBe(seedFingerprint(2n));
    expect(seedFingerprint(1n)).toBe(seedFingerprint(1n));
  });
});

test('the drained mark outlives who set it', () => {
  const file = join(directory, 'drained');
  expect(drainedMark(file).get()).toBe(false);
  drainedMark(file).set(true);
  expect(drainedMark(file).get()).toBe(true);
  drainedMark(file).set(false);
  drainedMark(file).set(false);
  expect(drainedMark(file).get()).toBe(false);
});

describe('the lock', () => {
  const holder = (file: string) =>
    spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        '-e',
        `import('${new URL('../../../src/agent/lock.ts', import.meta.url).pathname}').then((m) => {
          m.lockRuntime('${file}'); console.log('locked'); setInterval(() => {}, 1000); });`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], cwd: new URL('../../..', import.meta.url).pathname },
    );

  test('is refused while another process lives, names it, and is free after kill -9', async () => {
    const file = join(directory, 'agent.lock');
    const child = holder(file);
    await once(child.stdout, 'data');
    expect(() => lockRuntime(file)).toThrow(new RegExp(`another lb-agent \\(process ${child.pid}\\)`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = lockRuntime(file);
    expect(readFileSync(file, 'utf8')).toBe(`${process.pid}\n`);
    expect(() => lockRuntime(file)).toThrow(/another lb-agent/);
    lock.release();
    lockRuntime(file).release();
  });
});

describe('log lines for people', () => {
  test('show time, level, message, error and what else there is', () => {
    const line = JSON.stringify({
      level: 40,
      time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
      msg: 'device gone',
      device: 'eth0',
      changes: [1],
      err: { message: 'boom' },
    });
    expect(formatForPeople(line)).toBe('03:04:05.006 warn  device gone: boom device=eth0 changes=[1]\n');
    expect(formatForPeople('no json')).toBe('no json');
  });
});
