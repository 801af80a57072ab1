/** Servers, load programs and the links of the rig, without an agent; two rigs side by side. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dnsLoad, httpLoad, streamLoad } from '../rig/load.ts';
import { addressPlan, oneArmedTopology, podsOf, ROUTER, UPLINK } from '../rig/one-armed.ts';
import { createRig, type Rig } from '../rig/rig.ts';
import { POD_PORTS, ZONE } from '../rig/server-configs.ts';
import { startDns, startEcho, startNginx } from '../rig/servers.ts';

let rigs: Rig[];
const WORKERS = ['worker1', 'worker2'];

beforeAll(async () => {
  rigs = [];
  for (const letter of ['a', 'b']) {
    const rig = await createRig(oneArmedTopology({ id: `srv-${letter}-${process.pid}`, clients: 2 }));
    rigs.push(rig);
    await Promise.all(
      WORKERS.flatMap((worker) => [startNginx(rig, worker), startDns(rig, worker), startEcho(rig, worker)]),
    );
  }
});
afterAll(async () => {
  for (const rig of rigs ?? []) await rig.destroy();
});

describe.each([0, 1])('rig %i of two that stand side by side with the same addresses', (which) => {
  const rig = () => rigs[which] as Rig;

  it('serves HTTP of every pod to every client through the router', async () => {
    for (const client of ['client1', 'client2']) {
      for (const pod of podsOf(rig().topology, 'web')) {
        const url = `http://${pod.address}:${POD_PORTS.web}/`;
        const { stdout } = await rig().exec(client, ['curl', '-s', '-m', '5', url]);
        expect(stdout.trim()).toBe(pod.name);
      }
    }
  });

  it('answers DNS over UDP and over TCP', async () => {
    for (const pod of podsOf(rig().topology, 'dns')) {
      for (const transport of ['+notcp', '+tcp']) {
        const dig = ['dig', '+short', '+tries=1', transport, '-p', `${POD_PORTS.dns}`, `@${pod.address}`];
        const { stdout } = await rig().exec('client1', [...dig, `pod.${ZONE}`, 'TXT']);
        expect(stdout.trim()).toBe(`"${pod.name}"`);
      }
    }
  });

  it('reaches only its own nodes', async () => {
    const own = (await rig().exec('worker1', ['cat', `/sys/class/net/lo/ifindex`])).stdout;
    expect(own.trim()).toBe('1');
    await rig().exec('worker1', ['ip', 'link', 'set', UPLINK, 'down']);
    const url = `http://${addressPlan.pod(1, 1)}:${POD_PORTS.web}/`;
    const cut = await rig().exec('client1', ['curl', '-s', '-m', '1', url], { mayFail: true });
    const other = await (rigs[1 - which] as Rig).exec('client1', ['curl', '-s', '-m', '5', url]);
    await rig().exec('worker1', ['ip', 'link', 'set', UPLINK, 'up']);
    await rig().exec('worker1', ['ip', 'route', 'replace', 'default', 'via', addressPlan.routerToWorker(1)]);
    expect(cut.code).not.toBe(0);
    expect(other.stdout.trim()).toBe('web-1-1');
  });
});

describe('links', () => {
  it('carries a native XDP program, and only there, on the peer of an LB node', async () => {
    const { stdout } = await (rigs[0] as Rig).exec(ROUTER, ['ip', '-j', '-d', 'link']);
    const links = JSON.parse(stdout) as Array<{ ifname: string; xdp?: { mode: number } }>;
    const NATIVE = 1; // XDP_ATTACHED_DRV
    expect(
      links.filter((link) => link.xdp !== undefined).map((link) => [link.ifname, link.xdp?.mode]),
    ).toEqual([['lb1', NATIVE]]);
  });

  it('has two queues each, and no checksum offload towards XDP', async () => {
    const rig = rigs[0] as Rig;
    const { stdout } = await rig.exec(ROUTER, ['ethtool', '-k', 'lb1']);
    expect(stdout).toMatch(/^tx-checksumming: off/m);
    expect(stdout).toMatch(/^\ttx-tcp-segmentation: off/m);
    const links = await rig.exec('lb1', ['ip', '-j', '-d', 'link', 'show', UPLINK]);
    expect(JSON.parse(links.stdout)[0]).toMatchObject({ num_tx_queues: 2, num_rx_queues: 2, mtu: 1500 });
  });
});

describe('load programs', () => {
  const web = { host: addressPlan.pod(1, 1), port: POD_PORTS.web };

  it('counts answers by pod, with and without keep-alive', async () => {
    for (const keepAlive of [true, false]) {
      const load = await httpLoad(rigs[0] as Rig, 'client1', { ...web, keepAlive });
      await load.until('20 answers', (counters) => (counters.answers['web-1-1'] ?? 0) >= 20);
      const total = await load.stop();
      expect(total.failures).toEqual([]);
      expect(total.answers).toEqual({ 'web-1-1': total.requests });
    }
  });

  it('counts DNS answers by pod', async () => {
    const load = await dnsLoad(rigs[0] as Rig, 'client1', {
      host: addressPlan.pod(2, 153),
      port: POD_PORTS.dns,
    });
    await load.until('20 answers', (counters) => (counters.answers['dns-2'] ?? 0) >= 20);
    const total = await load.stop();
    expect(total.failures).toEqual([]);
  });

  it('counts failures of requests, queries and streams while the network is cut', async () => {
    const rig = rigs[0] as Rig;
    const http = await httpLoad(rig, 'client1', { ...web, timeout: 200 });
    const dns = await dnsLoad(rig, 'client1', {
      host: addressPlan.pod(1, 153),
      port: POD_PORTS.dns,
      timeout: 200,
    });
    const echo = { host: addressPlan.pod(1, 107), port: POD_PORTS.echo };
    const streams = await streamLoad(rig, 'client1', { ...echo, connections: 3, patience: 500 });
    await streams.until('3 streams', (counters) => counters.open === 3);
    await rig.exec(ROUTER, ['ip', 'route', 'add', 'blackhole', '10.40.1.0/24', 'metric', '0'], {
      mayFail: true,
    });
    await rig.exec(ROUTER, ['ip', 'route', 'replace', 'blackhole', '10.40.1.0/24']);
    await http.until('failed requests', (counters) => counters.failures.length > 0);
    await dns.until('failed queries', (counters) => counters.failures.length > 0);
    const cut = await streams.until('broken streams', (counters) => counters.broken.length === 3);
    await rig.exec(ROUTER, ['ip', 'route', 'replace', '10.40.1.0/24', 'via', addressPlan.worker(1)]);
    expect(cut.broken.map((failure) => failure.pod)).toEqual(['echo-1', 'echo-1', 'echo-1']);
    await Promise.all([http.stop(), dns.stop(), streams.stop()]);
  });

  it('verifies what streams send', async () => {
    const echo = { host: addressPlan.pod(1, 107), port: POD_PORTS.echo };
    const streams = await streamLoad(rigs[0] as Rig, 'client1', { ...echo, connections: 5 });
    await streams.until('every stream moved', (counters) => counters.open === 5 && counters.leastBytes > 0);
    const total = await streams.stop();
    expect(total).toMatchObject({ broken: [], refused: [] });
  });
});
