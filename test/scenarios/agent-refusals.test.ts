/** What lb-agent refuses, with which exit code, and what it says. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type MachineState, machineState } from '../rig/machine-state.ts';
import * as bench from './agent-bench.ts';
import { inside, untilServing, untilStatus } from './agent-bench.ts';

const ID = `agent-${process.pid}`;
let before: MachineState;

beforeAll(async () => {
  before = await machineState(ID);
  bench.setUp();
});
afterEach(async () => {
  bench.writeConfig();
  const { code, output } = await bench.cleanup();
  expect(code, output).toBe(0);
});
afterAll(async () => {
  bench.tearDown();
  expect(await machineState(ID)).toEqual(before);
});

async function refusal(): Promise<{ code: number | null; output: string }> {
  const { code, output } = await bench.run().ended;
  expect(bench.xdpProgram()).toBeUndefined();
  expect(output).not.toMatch(/\n {4}at /); // what is expected to happen shows no stack
  return { code, output };
}

describe('lb-agent refuses', () => {
  test('a broken configuration: every error with its line, and nothing is touched', async () => {
    writeFileSync(bench.configFile, 'node: lb1\nvips: { ranges: [10.1.0.3/24] }\ndevics: []\n');
    const { code, output } = await refusal();
    expect(code).toBe(3);
    expect(output).toMatch(/lb-agent\.yaml:2: vips\.ranges\.0: "10\.1\.0\.3\/24"/);
    expect(output).toMatch(/lb-agent\.yaml:3: devics: .*did you mean devices/);
    const check = await bench.startAgent('check', bench.configFile).ended;
    expect([check.code, check.output]).toEqual([3, output]);
  });

  test('a file that is not there, and a command line without sense', async () => {
    expect((await bench.startAgent('check', '/nonexistent').ended).code).toBe(3);
    expect((await bench.startAgent('rum').ended).code).toBe(2);
    expect((await bench.startAgent('run', '--confg', 'x').ended).code).toBe(2);
    expect((await bench.startAgent('--help').ended).code).toBe(0);
    expect((await bench.startAgent('check', bench.configFile).ended).output).toBe(
      `${bench.configFile}: ok\n`,
    );
  });

  test('a VIP device of a kind that the kernel lacks, naming the stand-in', async (context) => {
    bench.writeConfig({ vips: '{ ranges: [10.1.0.0/24], device: { name: lb-vip0, kind: dummy } }' });
    if (kernelHas('dummy')) return context.skip('this kernel has the dummy driver');
    const { code, output } = await refusal();
    expect(code).toBe(4);
    expect(output).toContain('vips.device.kind: ifb');
  });

  test('a VIP device that is something else, or that should exist and does not', async () => {
    inside('ip', 'link', 'add', 'lb-vip0', 'type', 'bridge');
    const other = await refusal();
    inside('ip', 'link', 'del', 'lb-vip0');
    expect([other.code, other.output]).toEqual([4, expect.stringContaining('is a bridge device, not ifb')]);
    bench.writeConfig({ vips: '{ ranges: [10.1.0.0/24], device: { name: lb-vip0, kind: existing } }' });
    const missing = await refusal();
    expect([missing.code, missing.output]).toEqual([
      4,
      expect.stringContaining('there is no device "lb-vip0"'),
    ]);
  });

  test('a VIP range that holds an address of the node', async () => {
    bench.writeConfig({
      vips: '{ ranges: [192.0.2.0/24], device: { name: lb-vip0, kind: ifb } }',
    });
    const { code, output } = await refusal();
    expect([code, output]).toEqual([3, expect.stringContaining('192.0.2.1, an address of eth0')]);
  });

  test('own SNAT ports that a socket uses', async () => {
    const listener = "require('net').createServer().listen(61007, '192.0.2.1', () => console.log('up'))";
    const child = spawn('nsenter', [`--net=${bench.namespace}`, process.execPath, '-e', listener], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      bench.writeConfig({ snat: '{ own: 192.0.2.1, ports: 61000-61100, sharedFlows: 256 }' });
      const { code, output } = await refusal();
      expect([code, output]).toEqual([4, expect.stringContaining('192.0.2.1:61007/TCP')]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('a device that another program owns, naming the program', async () => {
    const id = attachForeignProgram();
    const { code, output } = await bench.run().ended;
    expect([code, output]).toEqual([4, expect.stringContaining(String(id))]);
    expect(bench.xdpProgram()).toBe(id);
    inside('ip', 'link', 'set', 'dev', 'eth0', 'xdp', 'off');
  });
});

describe('lb-agent waits for', () => {
  test('a device that is not there yet, and announces nothing before', async () => {
    inside('ip', 'link', 'del', 'eth0');
    const agent = bench.run();
    const view = await untilStatus(
      agent,
      'the source',
      ({ source, services }) => source.synced && services === 1,
    );
    expect([view.health, bench.vipIsUp()]).toEqual(['device eth0 is not there', false]);
    expect(view.problems.map(({ code }) => code)).toContain('device-missing');
    bench.plugDevice();
    await untilServing(agent);
    await bench.end(agent);
  });

  test('a manifest directory that is not there', async () => {
    rmSync(bench.manifests, { recursive: true });
    const agent = bench.run();
    await untilStatus(agent, 'an answer', ({ vip }) => vip.announce !== 'yes' && !vip.up);
    execFileSync('mkdir', ['-p', bench.manifests]);
    bench.writeService('web', '10.1.0.2', ['192.0.2.2']);
    await untilServing(agent);
    await bench.end(agent);
  });
});

test('own SNAT ports are reserved while the agent is there, and given back by cleanup', async () => {
  const reserved = (): string => inside('sysctl', '-n', 'net.ipv4.ip_local_reserved_ports').trim();
  inside('sysctl', '-qw', 'net.ipv4.ip_local_reserved_ports=22');
  bench.writeConfig({ snat: '{ own: 192.0.2.1, ports: 61000-61100, sharedFlows: 256 }' });
  const agent = bench.run();
  await untilServing(agent);
  expect(reserved()).toBe('22,61000-61100');
  await bench.end(agent, 'SIGKILL');
  expect((await bench.cleanup()).code).toBe(0);
  expect(reserved()).toBe('22');
});

function kernelHas(kind: string): boolean {
  try {
    inside('ip', 'link', 'add', 'l4lb-e-probe', 'type', kind);
    inside('ip', 'link', 'del', 'l4lb-e-probe');
    return true;
  } catch {
    return false;
  }
}

function attachForeignProgram(): number {
  const object = join(bench.directory, 'foreign.bpf.o');
  const source = '__attribute__((section("xdp"), used)) int pass(void *ctx) { return 2; }\n';
  execFileSync('clang', ['-O2', '-g', '-target', 'bpf', '-x', 'c', '-c', '-', '-o', object], {
    input: source,
  });
  // Not by `ip`: its loader leaves a directory and links in the BPF file system.
  const pin = `/sys/fs/bpf/l4lb-agent-${process.pid}-foreign`;
  execFileSync('bpftool', ['prog', 'load', object, pin]);
  try {
    inside('bpftool', 'net', 'attach', 'xdp', 'pinned', pin, 'dev', 'eth0');
  } finally {
    rmSync(pin);
  }
  const id = bench.xdpProgram();
  if (id === undefined) throw new Error('the foreign program is not attached');
  return id;
}
