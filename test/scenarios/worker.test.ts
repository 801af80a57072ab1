/** The node program on a worker: real clients reach pods in namespaces of their own through tunnels. */

import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StatsView } from '../../src/api/types.ts';
import { type Agent, agentCommand, lbctl } from '../rig/agent.ts';
import { httpLoad } from '../rig/load.ts';
import type { Rig } from '../rig/rig.ts';
import { POD_PORTS } from '../rig/server-configs.ts';
import { startNginx } from '../rig/servers.ts';
import { waitFor } from '../rig/wait.ts';
import {
  CLIENT4,
  CLIENT6,
  createWorkerRig,
  putSender,
  routeVips,
  startWorkerAgent,
  VIP4,
  VIP6,
  WORKER,
} from '../rig/worker-rig.ts';

const CLIENT = 'client1';

async function fetchFrom(rig: Rig, vip: string, path: string): Promise<string> {
  const host = vip.includes(':') ? `[${vip}]` : vip;
  const options = path.startsWith('/files') ? ['-o', '/dev/null', '-w', '%{size_download}'] : [];
  const result = await rig.exec(CLIENT, ['curl', '-sS', '-m', '5', ...options, `http://${host}${path}`]);
  return result.stdout.trim();
}

async function dropsOf(agent: Agent, reason: string): Promise<number> {
  const { drops } = await agent.get<StatsView>('/v1/stats');
  return drops.find((drop) => drop.reason === reason)?.packets ?? Number.NaN;
}

describe.each(['xdp', 'tc'] as const)('a worker that ends tunnels on %s', (attach) => {
  let rig: Rig;
  let agent: Agent;
  beforeAll(async () => {
    rig = await createWorkerRig(`wk-${attach}`);
    await startNginx(rig, 'pod1');
    agent = await startWorkerAgent(rig, attach);
  });
  afterAll(() => rig?.destroy());

  it.each(['lb1', 'lb2'] as const)('clients of both families reach the pod through %s', async (lb) => {
    await routeVips(rig, lb);
    expect(await fetchFrom(rig, VIP4, '/')).toBe('web-1');
    expect(await fetchFrom(rig, VIP4, '/from')).toMatch(new RegExp(`^${CLIENT4}:`));
    expect(await fetchFrom(rig, VIP4, '/files/megabyte')).toBe(String(1 << 20));
    expect(await fetchFrom(rig, VIP6, '/')).toBe('web-1');
    expect(await fetchFrom(rig, VIP6, '/from')).toMatch(new RegExp(`^${CLIENT6}:`));
    expect(await fetchFrom(rig, VIP6, '/files/megabyte')).toBe(String(1 << 20));
  });

  it('leaves checksums of which others can make right ones', async () => {
    await routeVips(rig, 'lb1');
    // Nobody looks at a checksum that is still to be made; with this the router makes it, and the client looks.
    const offloads = (state: 'on' | 'off') => rig.exec('router1', ['ethtool', '-K', CLIENT, 'tx', state]);
    await offloads('off');
    expect(await fetchFrom(rig, VIP4, '/files/megabyte')).toBe(String(1 << 20));
    expect(await fetchFrom(rig, VIP6, '/files/megabyte')).toBe(String(1 << 20));
    await offloads('on');
  });

  it.each(['lb1', 'lb2'] as const)('a large request reaches the pod whole through %s', async (lb) => {
    await routeVips(rig, lb);
    const file = rig.path(CLIENT, 'upload');
    writeFileSync(file, Buffer.alloc(4 << 20, 'l4lb'));
    for (const vip of [VIP4, `[${VIP6}]`]) {
      const options = ['-sS', '-m', '10', '--data-binary', `@${file}`, '-w', '%{size_upload}'];
      const sent = await rig.exec(CLIENT, ['curl', ...options, '-H', 'Expect:', `http://${vip}/upload`]);
      expect(sent.stdout).toBe(`web-1\n${4 << 20}`);
    }
  });

  it('connections outlive another LB node and the death of the agent, under load', async () => {
    await routeVips(rig, 'lb1');
    const fresh = await httpLoad(rig, CLIENT, { host: VIP4, port: 80 });
    const kept = await httpLoad(rig, CLIENT, { host: VIP4, port: 80, keepAlive: true });
    await kept.until('100 requests', (counters) => counters.requests > 100);
    await routeVips(rig, 'lb2');
    const before = await kept.read();
    await kept.until('100 requests by the other node', (c) => c.requests > before.requests + 100);
    await agent.process.stop('SIGKILL');
    const alive = await fresh.read();
    await fresh.until('200 requests without an agent', (c) => c.requests > alive.requests + 200);
    agent = await startWorkerAgent(rig, attach);
    const again = await fresh.read();
    await fresh.until('100 requests with the new one', (c) => c.requests > again.requests + 100);
    const [a, b] = [await fresh.stop(), await kept.stop()];
    console.log(
      `${attach}: failed ${a.failures.length}/${a.requests} new, ${b.failures.length}/${b.requests} kept`,
    );
    expect([a.failures, b.failures]).toEqual([[], []]);
  });

  it('a tunnel from elsewhere is dropped and counted', async () => {
    await routeVips(rig, 'lb1');
    await putSender(rig, 'lb1', ['192.0.2.66', '2001:db8:66::1']);
    const before = await dropsOf(agent, 'source');
    for (const vip of [VIP4, `[${VIP6}]`]) {
      const failed = await rig.exec(CLIENT, ['curl', '-sS', '-m', '2', `http://${vip}/`], { mayFail: true });
      expect(failed.code).toBe(28);
    }
    expect(await dropsOf(agent, 'source')).toBeGreaterThan(before);
    await putSender(rig, 'lb1');
    expect(await fetchFrom(rig, VIP4, '/')).toBe('web-1');
  });

  it('a closed port is told to the client by the VIP', async () => {
    await rig.processes.find(({ name }) => name.startsWith('nginx'))?.stop('SIGTERM');
    const refused = await rig.exec(CLIENT, ['curl', '-sS', '-m', '5', `http://${VIP4}/`], { mayFail: true });
    expect(refused.code).toBe(7);
    await startNginx(rig, 'pod1');
  });

  it('lbctl shows what the worker does', async () => {
    await fetchFrom(rig, VIP4, '/');
    const status = await lbctl(rig, WORKER, ['status']);
    expect(status.stdout).toMatch(/Role: +node/);
    expect(status.stdout).toMatch(/Health: +ok/);
    const services = await lbctl(rig, WORKER, ['service', 'list']);
    expect(services.stdout).toContain(`${VIP4}:80/TCP`);
    expect(services.stdout).toContain(`:${POD_PORTS.web} (active)`);
    const stats = await lbctl(rig, WORKER, ['stats']);
    expect(stats.stdout).toContain('source');
    const flows = await lbctl(rig, WORKER, ['conn', 'list']);
    expect(flows.stdout).toContain(CLIENT4);
  });

  it('tunnel packets in fragments are dropped, counted, and a problem of the worker', async () => {
    await routeVips(rig, 'lb1');
    await putSender(rig, 'lb1', undefined, ['-DOUTER_FLAGS=0x2000']);
    const failed = await rig.exec(CLIENT, ['curl', '-sS', '-m', '1', `http://${VIP4}/`], { mayFail: true });
    expect(failed.code).toBe(28);
    expect(await dropsOf(agent, 'fragment')).toBeGreaterThan(0);
    // The agent looks at its node whenever that changes.
    await rig.exec(WORKER, ['ip', 'address', 'add', '192.0.2.77/32', 'dev', 'lo']);
    await waitFor('the problem', async () =>
      (await agent.status()).problems.some(({ code }) => code === 'tunnel-fragments'),
    );
    await rig.exec(WORKER, ['ip', 'address', 'del', '192.0.2.77/32', 'dev', 'lo']);
    await putSender(rig, 'lb1');
    expect(await fetchFrom(rig, VIP4, '/')).toBe('web-1');
  });

  it('cleanup takes everything away', async () => {
    await agent.process.stop('SIGTERM');
    await agentCommand(rig, WORKER, ['cleanup', '--config', agent.config]);
    expect(existsSync(rig.bpfDirectory(WORKER))).toBe(false);
    const failed = await rig.exec(CLIENT, ['curl', '-sS', '-m', '2', `http://${VIP4}/`], { mayFail: true });
    expect(failed.code).not.toBe(0);
  });
});
