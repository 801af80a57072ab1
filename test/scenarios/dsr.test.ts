/** DSR from client to pod: two LB nodes without shared state, the node program, and answers past the nodes. */
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Agent, agentCommand } from '../rig/agent.ts';
import { startDsrNode } from '../rig/dsr-node.ts';
import { httpLoad } from '../rig/load.ts';
import type { Rig } from '../rig/rig.ts';
import { startNginx } from '../rig/servers.ts';
import {
  CLIENT4,
  CLIENT6,
  createWorkerRig,
  routeVips,
  startWorkerAgent,
  VIP4,
  VIP6,
} from '../rig/worker-rig.ts';

const CLIENT = 'client1';
const HOSTS = [
  [VIP4, CLIENT4],
  [`[${VIP6}]`, CLIENT6],
] as const;

async function curl(rig: Rig, ...options: string[]): Promise<string> {
  return (await rig.exec(CLIENT, ['curl', '-sS', '-m', '10', ...options])).stdout.trim();
}

describe.each(['xdp', 'tc'] as const)('DSR on %s', (attach) => {
  let rig: Rig;
  const agents: Agent[] = [];
  beforeAll(async () => {
    rig = await createWorkerRig(`dsr-${attach}`);
    await startNginx(rig, 'pod1');
    agents.push(await startWorkerAgent(rig, 'xdp'));
    agents.push(await startDsrNode(rig, 'lb1', { mode: 'ipip', attach }));
    agents.push(await startDsrNode(rig, 'lb2', { mode: 'gue', attach }));
  });
  afterAll(() => rig?.destroy());

  it.each(['lb1', 'lb2'] as const)('the pod sees the client, through %s, in both families', async (lb) => {
    await routeVips(rig, lb);
    for (const [host, client] of HOSTS) {
      expect(await curl(rig, `http://${host}/`)).toBe('web-1');
      expect(await curl(rig, `http://${host}/from`)).toContain(client);
      const size = ['-o', '/dev/null', '-w', '%{size_download}'];
      expect(await curl(rig, ...size, `http://${host}/files/megabyte`)).toBe(String(1 << 20));
    }
  });

  it.each(['lb1', 'lb2'] as const)('a large request arrives whole through %s', async (lb) => {
    await routeVips(rig, lb);
    const file = rig.path(CLIENT, 'upload');
    writeFileSync(file, Buffer.alloc(4 << 20, 'l4lb'));
    for (const [host] of HOSTS) {
      const sent = await curl(
        rig,
        '--data-binary',
        `@${file}`,
        '-w',
        '%{size_upload}',
        '-H',
        'Expect:',
        `http://${host}/upload`,
      );
      expect(sent).toBe(`web-1\n${4 << 20}`);
    }
  });

  it('connections go on through the other node, under load', async () => {
    await routeVips(rig, 'lb1');
    const kept = await httpLoad(rig, CLIENT, { host: VIP4, port: 80, keepAlive: true });
    await kept.until('100 requests', (counters) => counters.requests > 100);
    for (const lb of ['lb2', 'lb1', 'lb2'] as const) {
      await routeVips(rig, lb);
      const before = await kept.read();
      await kept.until(`100 requests through ${lb}`, (c) => c.requests > before.requests + 100);
    }
    const { failures, requests } = await kept.stop();
    console.log(`${attach}: failed ${failures.length}/${requests} kept`);
    expect(failures).toEqual([]);
  });

  it('cleanup takes everything away on all nodes', async () => {
    for (const { process, config, lb } of agents) {
      await process.stop('SIGTERM');
      await agentCommand(rig, lb, ['cleanup', '--config', config]);
      expect(existsSync(rig.bpfDirectory(lb))).toBe(false);
    }
  });
});
