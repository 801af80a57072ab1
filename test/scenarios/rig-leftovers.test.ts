/** Nothing of a rig stays, however its owner ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { run } from '../rig/command.ts';
import { cleanLeftovers } from '../rig/leftovers.ts';
import { MARK, machineState } from '../rig/machine-state.ts';
import { oneArmedTopology } from '../rig/one-armed.ts';
import { createRig, PROJECT } from '../rig/rig.ts';
import { program } from '../rig/servers.ts';
import { waitFor } from '../rig/wait.ts';

let owner: ChildProcess | undefined;
let output = '';

/** Starts a rig in a process of its own. */
function startOwner(id: string): ChildProcess {
  const [node = '', ...args] = program('test/scenarios/build-rig-and-wait.ts', id);
  const { VITEST: _, ...env } = process.env;
  output = '';
  owner = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...env, [MARK]: id } });
  const take = (chunk: Buffer) => {
    output += chunk.toString();
  };
  owner.stdout?.on('data', take);
  owner.stderr?.on('data', take);
  return owner;
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    await new Promise((resolve) => child.once('exit', resolve));
  }
  return child.exitCode;
}

const evidence = async () => output;

afterEach(async () => {
  owner?.kill('SIGKILL');
  if (owner !== undefined) await ended(owner);
  await cleanLeftovers();
});

describe('a rig whose owner is killed', () => {
  it.each([
    ['before its last namespace is made', (id: string) => existsSync(`/run/netns/l4lb-${id}-client1`)],
    ['while links are made', (id: string) => existsSync(`/run/netns/l4lb-${id}-worker4`)],
    ['while FRR starts', (id: string) => existsSync(`/var/run/frr/l4lb-${id}-router1/zebra.vty`)],
    ['when everything runs', () => output.includes('standing')],
  ])('%s is removed by the next run', async (_, moment) => {
    const id = `kill-${process.pid}`;
    const before = await machineState(id);
    const child = startOwner(id);
    await waitFor('the moment to kill', async () => moment(id), { interval: 1, evidence });
    child.kill('SIGKILL');
    await ended(child);
    expect(await machineState(id)).not.toEqual(before);

    expect(await cleanLeftovers()).toContain(id);
    expect(await machineState(id)).toEqual(before);
  });

  it('is not touched while the owner lives, and can be removed by hand', async () => {
    const id = `alive-${process.pid}`;
    const before = await machineState(id);
    startOwner(id);
    await waitFor('the rig stands', async () => output.includes('standing'), { evidence });
    const standing = await machineState(id);
    expect(await cleanLeftovers()).not.toContain(id);
    expect(await machineState(id)).toEqual(standing);

    await expect(createRig(oneArmedTopology({ id }))).rejects.toThrow(`there is a rig ${id} already`);
    const [node = '', ...args] = program('test/rig/clean.ts', id);
    await run([node, ...args], { cwd: PROJECT });
    owner?.kill('SIGKILL');
    if (owner !== undefined) await ended(owner);
    expect(await machineState(id)).toEqual(before);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('by %s takes it down itself', async (signal) => {
    const id = `sig-${process.pid}`;
    const before = await machineState(id);
    const child = startOwner(id);
    await waitFor('the rig stands', async () => output.includes('standing'), { evidence });
    child.kill(signal);
    expect(await ended(child)).toBe(signal === 'SIGINT' ? 130 : 143);
    expect(await machineState(id)).toEqual(before);
  });
});

describe('a rig that cannot be built', () => {
  it('says which command failed, and leaves nothing', async () => {
    const id = `bad-${process.pid}`;
    const before = await machineState(id);
    const good = oneArmedTopology({ id });
    const [first, ...rest] = good.links;
    if (first === undefined) throw new Error('no link');
    const bad = { ...good, links: [{ ...first, mtu: 1 }, ...rest] };
    await expect(createRig(bad)).rejects.toThrow(/failed at "ip link add name up0/);
    expect(await machineState(id)).toEqual(before);
  });
});
