/** `make demo` as a user runs it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../rig/command.ts';
import { cleanLeftovers, takeDown } from '../rig/leftovers.ts';
import { MARK, type MachineState, machineState } from '../rig/machine-state.ts';
import { readRecord } from '../rig/record.ts';
import { program } from '../rig/servers.ts';
import { waitFor } from '../rig/wait.ts';

const ID = `demo-${process.pid}`;
let demo: ChildProcess | undefined;
let output = '';

function startDemo(env: Record<string, string> = {}): ChildProcess {
  const { VITEST: _, ...inherited } = process.env;
  const [node = '', ...args] = program('test/demo/demo.ts');
  output = '';
  demo = spawn(node, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, DEMO_ID: ID, [MARK]: ID, ...env },
  });
  const take = (chunk: Buffer) => {
    output += chunk.toString();
  };
  demo.stdout?.on('data', take);
  demo.stderr?.on('data', take);
  return demo;
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    await new Promise((resolve) => child.once('exit', resolve));
  }
  return child.exitCode;
}

let before: MachineState;
beforeEach(async () => {
  before = await machineState(ID);
});

async function untilAgentIsShown(): Promise<void> {
  await waitFor('the agent is being shown', async () => output.includes('4. The agent'), {
    timeout: 60_000,
    evidence: async () => output,
  });
}

afterEach(async () => {
  demo?.kill('SIGKILL');
  if (demo !== undefined) await ended(demo);
  const kept = readRecord(ID);
  if (kept !== undefined) await takeDown(kept);
  await cleanLeftovers();
});

describe('the demo', () => {
  it('holds all its expectations, says so, and leaves nothing', async () => {
    const status = await ended(startDemo());
    expect(status, output).toBe(0);
    expect(output).toMatch(/Summary: \d\d expectations held/);
    expect(output).toMatch(/^ {3}long connections over kill and restart +0 of 20 broken$/m);
    expect(output).toMatch(/^ {3}left behind +nothing$/m);
    expect(output).not.toContain('\x1b');
    expect(await machineState(ID)).toEqual(before);
  });

  it('is taken down by Ctrl-C in the middle, with what a killed one before it left', async () => {
    const killed = startDemo();
    await untilAgentIsShown();
    killed.kill('SIGKILL');
    await ended(killed);
    expect(await machineState(ID)).not.toEqual(before);

    const child = startDemo();
    await untilAgentIsShown();
    child.kill('SIGINT');
    expect(await ended(child), output).toBe(130);
    expect(await machineState(ID)).toEqual(before);
  });

  it('stays up with KEEP=1, and its hints work', async () => {
    expect(await ended(startDemo({ KEEP: '1' })), output).toBe(0);
    const hint = (what: string) =>
      new RegExp(`^ +${what} +(.*)$`, 'm').exec(output)?.[1] ?? `no hint: ${what}`;
    for (const what of [
      'a request',
      'a query',
      'services',
      'drops and events',
      'connections',
      'routes',
      'BIRD',
    ]) {
      const shell = hint(what).replaceAll(
        'dist/cli/',
        process.env.L4LB_PRODUCT ? `${process.env.L4LB_PRODUCT}/dist/cli/` : 'dist/cli/',
      );
      const { stdout } = await run(['sh', '-c', shell]);
      expect(stdout, what).not.toBe('');
    }
    await run(['sh', '-c', hint('take it down')], { timeout: 60_000 });
    expect(await machineState(ID)).toEqual(before);
  });
});
