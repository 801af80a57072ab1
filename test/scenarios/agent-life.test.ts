import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as bench from './agent-bench.ts';
import { api, inside, type RunningAgent, untilServing, untilStatus } from './agent-bench.ts';

let agent: RunningAgent;
let before = '';

beforeAll(async () => {
  bench.setUp();
  before = bench.dumpSysctls();
  agent = bench.run();
  await untilServing(agent);
});
afterAll(async () => {
  await bench.end(agent, 'SIGKILL');
  bench.tearDown();
});

async function restart(signal: NodeJS.Signals): Promise<void> {
  await bench.end(agent, signal);
  expect(bench.vipIsUp()).toBe(true);
  expect(bench.xdpProgram()).toBeDefined();
  agent = bench.run();
  await untilServing(agent);
}

describe('an agent', () => {
  test('serves: program attached, VIP device up, service in the maps, ready', async () => {
    const view = await bench.status();
    expect(view.health).toBe('ok');
    expect(view.devices).toEqual([
      { name: 'eth0', mode: 'xdp', attached: true, programId: bench.xdpProgram() },
    ]);
    expect(view.vip).toEqual({ device: 'lb-vip0', up: true, addresses: ['10.1.0.1/24'], announce: 'yes' });
    expect(view.services).toBe(1);
    expect((await api('GET', '/readyz')).status).toBe(200);
    expect((await api('GET', '/healthz')).status).toBe(200);
    expect(String((await api('GET', '/metrics')).body)).toContain('\nl4lb_services 1\n');
    await bench.until(
      'a managed neighbour',
      () => inside('ip', 'neigh', 'show', '192.0.2.2'),
      (text) => text.includes('managed'),
    );
  });

  test('keeps the other devices’ reverse path filter when it takes that of `all`', () => {
    const read = (device: string): string =>
      inside('sysctl', '-n', `net.ipv4.conf.${device}.rp_filter`).trim();
    expect(['all', 'eth0', 'lo', 'default'].map(read)).toEqual(['0', '0', '1', '1']);
  });

  test('is alone: a second one and cleanup are refused and change nothing', async () => {
    const ids = bench.pinnedIds();
    const second = await bench.run().ended;
    expect(second.code).toBe(5);
    expect(second.output).toContain(`another lb-agent (process ${agent.child.pid})`);
    expect((await bench.cleanup()).code).toBe(5);
    expect(bench.pinnedIds()).toEqual(ids);
    expect((await bench.status()).vip.up).toBe(true);
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'restarted after %s takes over link and maps; the announcement stays all the time',
    async (signal) => {
      const ids = bench.pinnedIds();
      await restart(signal);
      expect(bench.pinnedIds()).toEqual(ids);
      expect((await bench.status()).devices[0]?.programId).toBe(bench.xdpProgram());
    },
  );

  test('answers, and ends with 0 by SIGTERM, while others hold connections to its metrics', async () => {
    bench.writeConfig({ metrics: '{ listen: 127.0.0.1:9469 }' });
    await restart('SIGTERM');
    const holders = await bench.holdConnections(9469, 300);
    try {
      // It is told to ask again as long as the first of them have not been idle for a moment.
      expect(inside('curl', '-sSf', '--retry', '9', 'http://127.0.0.1:9469/healthz')).toBe('{"ok":true}\n');
      expect(inside('curl', '-sSf', '--retry', '9', 'http://127.0.0.1:9469/metrics')).toContain(
        'l4lb_services 1',
      );
      expect((await api('GET', '/v1/services')).body).toMatchObject([{ name: 'web' }]);
      const { code } = await bench.end(agent);
      expect(code).toBe(0);
    } finally {
      holders.kill();
      bench.writeConfig();
    }
    agent = bench.run();
    await untilServing(agent);
  });

  test('drained withdraws, also after a restart, until it is undrained', async () => {
    expect((await api('POST', '/v1/drain')).body).toMatchObject({
      drained: true,
      up: false,
      announce: 'drained',
    });
    expect(bench.vipIsUp()).toBe(false);
    expect((await api('GET', '/readyz')).status).toBe(503);
    await bench.end(agent, 'SIGKILL');
    agent = bench.run();
    await untilStatus(agent, 'drained', (view) => view.source.synced && view.vip.announce === 'drained');
    expect(bench.vipIsUp()).toBe(false);
    expect((await api('POST', '/v1/undrain')).body).toMatchObject({ drained: false, up: true });
    expect(bench.vipIsUp()).toBe(true);
  });

  test('reloads what can be reloaded, swaps what is in the program, and refuses the rest as a whole', async () => {
    const ids = bench.pinnedIds();
    const program = bench.xdpProgram();
    expect((await api('POST', '/v1/reload')).body).toEqual({ verdict: 'unchanged', changed: [] });
    bench.writeConfig({ log: '{ level: debug }' });
    expect((await api('POST', '/v1/reload')).body).toEqual({ verdict: 'reload', changed: ['log.level'] });
    expect(bench.xdpProgram()).toBe(program);
    bench.writeConfig({
      log: '{ level: debug }',
      reject: '{ unknownPort: true }',
      timeouts: '{ tcpSyn: 7s }',
    });
    expect((await api('POST', '/v1/reload')).body).toMatchObject({ verdict: 'swap' });
    const swapped = bench.xdpProgram();
    expect(swapped).not.toBe(program);
    expect(bench.pinnedIds()).toEqual(ids);
    bench.writeConfig({ limits: '{ services: 200, backends: 400, slots: 131072, nextHops: 256 }' });
    const refused = await api('POST', '/v1/reload');
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ error: expect.stringMatching(/limits\.services.*cleanup/) });
    bench.writeConfig({ devics: '[]' });
    const wrong = await api('POST', '/v1/reload');
    expect(wrong.status).toBe(422);
    expect(wrong.body).toMatchObject({ error: expect.stringContaining('did you mean devices?') });
    expect(bench.xdpProgram()).toBe(swapped);
    expect((await bench.status()).vip.up).toBe(true);
    bench.writeConfig();
    process.kill(agent.child.pid ?? 0, 'SIGHUP');
    await bench.until('the swap by SIGHUP', bench.xdpProgram, (id) => id !== swapped);
  });

  test('repairs the VIP device when somebody changes or deletes it', async () => {
    inside('ip', 'addr', 'del', '10.1.0.1/24', 'dev', 'lb-vip0');
    inside('ip', 'addr', 'add', '10.1.0.9/32', 'dev', 'lb-vip0');
    await untilStatus(agent, 'the address', ({ vip }) => vip.addresses.join() === '10.1.0.1/24');
    inside('ip', 'link', 'set', 'lb-vip0', 'down');
    await untilServing(agent);
    inside('ip', 'link', 'del', 'lb-vip0');
    await untilStatus(agent, 'the device', ({ vip }) => vip.up && vip.addresses.join() === '10.1.0.1/24');
  });

  test('withdraws when the device goes, and takes it back when it comes again', async () => {
    inside('ip', 'link', 'del', 'eth0');
    // Between the two, the program is seen to be missing before the device is.
    const gone = await untilStatus(
      agent,
      'withdrawal, for the device is gone',
      ({ vip, health }) => vip.announce === 'unhealthy' && health === 'device eth0 is not there',
    );
    expect(gone.vip.up).toBe(false);
    bench.plugDevice();
    await untilServing(agent);
    expect(bench.xdpProgram()).toBeDefined();
  });

  test('withdraws before the last service goes, and announces again with the first', async () => {
    rmSync(join(bench.manifests, 'web.yaml'));
    await untilStatus(
      agent,
      'no services',
      ({ vip, services }) => vip.announce === 'no services' && services === 0,
    );
    expect(bench.vipIsUp()).toBe(false);
    bench.writeService('web', '10.1.0.2', ['192.0.2.2']);
    await untilServing(agent);
  });

  test('cleaned up leaves the machine as it was, and cleaning twice is fine', async () => {
    await bench.end(agent, 'SIGKILL');
    const first = await bench.cleanup();
    expect(first.code, first.output).toBe(0);
    expect(bench.xdpProgram()).toBeUndefined();
    expect(bench.pinsLeft()).toEqual([]);
    expect(inside('ip', 'link')).not.toContain('lb-vip0');
    expect(inside('ip', 'rule')).not.toContain('3200');
    expect(inside('ip', 'neigh')).not.toContain('managed');
    expect((await bench.cleanup()).code).toBe(0);
    // The device was made anew meanwhile, by the namespace's defaults as they were then.
    const without = (text: string): string => text.replace(/^.*conf\/eth0\/rp_filter.*$/gm, '');
    expect(without(bench.dumpSysctls())).toBe(without(before));
  });
});
