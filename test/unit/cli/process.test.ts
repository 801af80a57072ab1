/** lbctl as a process of its own: what it loads, how it ends. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type FakeAgent, json, startFakeAgent } from './fake-agent.ts';
import { services, stats } from './fixtures.ts';

const ENTRY = fileURLToPath(new URL('../../../src/cli/lbctl.ts', import.meta.url));
const TRACE = fileURLToPath(new URL('trace-modules.mjs', import.meta.url));

// Each starts node once or more; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 15000, hookTimeout: 15000 });

let agent: FakeAgent;
let directory: string;
beforeAll(async () => {
  agent = await startFakeAgent();
  directory = mkdtempSync(join(tmpdir(), 'l4lb-f-'));
});
afterAll(async () => {
  await agent.close();
  rmSync(directory, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly ended: Promise<Ended>;
  readonly child: ReturnType<typeof spawn>;
}

function start(
  words: readonly string[],
  options: {
    readonly uid?: number;
    readonly traceFile?: string;
    readonly onStdout?: (text: string) => void;
  } = {},
): Running {
  const trace = options.traceFile === undefined ? [] : ['--import', TRACE];
  const child = spawn(process.execPath, ['--import', 'tsx', ...trace, ENTRY, ...words], {
    env: { PATH: process.env.PATH, L4LB_SOCKET: agent.socket, L4LB_TRACE: options.traceFile },
    ...(options.uid === undefined ? {} : { uid: options.uid }),
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onStdout?.(stdout);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended };
}

describe('the modules that lbctl loads', () => {
  const HEAVY =
    /node_modules\/(ffi-napi|ref-napi|zod|yaml|pino|prom-client|ip-address|@[^/]*kube[^/]*|@2060\.io)\/|\/src\/(kernel|dataplane|layout|agent|sources)\//;

  async function loadedBy(...words: string[]): Promise<string[]> {
    const traceFile = join(directory, `trace-${words.join('-').replaceAll('/', '_')}`);
    const { code, stderr } = await start(words, { traceFile }).ended;
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return readFileSync(traceFile, 'utf8').split('\n');
  }

  it.each([
    [['service', 'list']],
    [['stats']],
    [['conn', 'list', '--sort', 'idle']],
    [['maglev', 'show', 'web', '-o', 'json']],
    [['--help']],
  ])('for %j are none of the heavy ones', async (words) => {
    const loaded = await loadedBy(...words);
    // The trace sees both kinds of modules.
    expect(loaded.some((url) => url.endsWith('/src/cli/program.ts'))).toBe(true);
    expect(loaded.some((url) => url.includes('node_modules/commander/'))).toBe(true);
    expect(loaded.filter((url) => HEAVY.test(url))).toEqual([]);
  });

  it('are more only where they are needed: yaml for -o yaml', async () => {
    const heavy = (await loadedBy('service', 'list', '-o', 'yaml')).filter((url) => HEAVY.test(url));
    expect(heavy.some((url) => url.includes('node_modules/yaml/'))).toBe(true);
    expect(heavy.filter((url) => !url.includes('node_modules/yaml/'))).toEqual([]);
  });
});

describe('the process', () => {
  it('is quiet when its reader goes away', async () => {
    const row = services[0];
    agent.answer('/v1/services', json(Array.from({ length: 5000 }, (_, id) => ({ ...row, id }))));
    const { child, ended } = start(['service', 'list']);
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    agent.answer('/v1/services', json(services));
  });

  it('writes everything before it ends, whatever the size', async () => {
    agent.answer('/v1/services', json(Array.from({ length: 5000 }, (_, id) => ({ ...services[1], id }))));
    const { stdout, code } = await start(['service', 'list', '-o', 'json']).ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(5000);
    agent.answer('/v1/services', json(services));
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ends --watch with success on %s', async (signal) => {
    const { child, ended } = start(['stats', '--watch', '0.1'], {
      onStdout: (text) => {
        if (text.match(/^Drops:/gm)?.length === 2) child.kill(signal);
      },
    });
    expect(await ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  it('tells its exit code to the shell', async () => {
    const { code, stdout, stderr } = await start(['service', 'get', 'nothing']).ended;
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(/^lbctl: There is no service "nothing"/);
  });

  it('says when the socket belongs to somebody else', async () => {
    agent.answer('/v1/stats', json(stats));
    const isRoot = process.getuid?.() === 0;
    chmodSync(dirname(agent.socket), isRoot ? 0o700 : 0);
    const { code, stderr } = await start(['stats'], isRoot ? { uid: 65534 } : {}).ended;
    chmodSync(dirname(agent.socket), 0o700);
    expect(stderr).toMatch(
      /^lbctl: Not permitted to connect to the agent's socket .*agent\.sock \(EACCES\)\.\nRun lbctl as root/,
    );
    expect(code).toBe(5);
  });
});
