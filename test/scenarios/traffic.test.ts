/** Real clients and servers through the VIP, for each way of attaching the program. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dnsLoad, httpLoad, streamLoad } from '../rig/load.ts';
import { writeService } from '../rig/manifests.ts';
import { addressPlan, podsOf, UPLINK, VIP } from '../rig/one-armed.ts';
import { ZONE } from '../rig/server-configs.ts';
import { waitFor } from '../rig/wait.ts';
import { CLIENT, fetchVip, LB, type LbRig, standLbRig } from './lb-rig.ts';

describe.each(['xdp', 'xdp-generic', 'tc'])('through a program attached as %s', (attach) => {
  let lb: LbRig;

  beforeAll(async () => {
    lb = await standLbRig(`t-${attach.slice(-3)}`, {}, { devices: [{ name: UPLINK, attach }] });
  });
  afterAll(() => lb?.rig.destroy());

  it('is attached that way and no other', async () => {
    const { stdout } = await lb.rig.exec(LB, ['ip', '-j', '-d', 'link', 'show', UPLINK]);
    const [link] = JSON.parse(stdout) as Array<{ xdp?: { mode: number } }>;
    // XDP_ATTACHED_DRV, XDP_ATTACHED_SKB of linux/if_link.h
    expect(link?.xdp?.mode).toBe({ xdp: 1, 'xdp-generic': 2, tc: undefined }[attach]);
  });

  it('serves HTTP from every pod, new connection by new connection', async () => {
    const load = await httpLoad(lb.rig, CLIENT, { host: VIP, port: 80, pause: 0 });
    await load.until('400 requests', (counters) => counters.requests >= 400);
    const total = await load.stop();
    expect(total.failures).toEqual([]);
    expect(Object.keys(total.answers).sort()).toEqual(podsOf(lb.rig.topology, 'web').map((pod) => pod.name));
  });

  it('keeps a connection on its pod', async () => {
    const load = await httpLoad(lb.rig, CLIENT, { host: VIP, port: 80, loops: 1, keepAlive: true, pause: 0 });
    await load.until('100 requests', (counters) => counters.requests >= 100);
    const total = await load.stop();
    expect(total.failures).toEqual([]);
    expect(Object.values(total.answers)).toEqual([total.requests]);
  });

  it('lets pods see a SNAT address and the client the VIP', async () => {
    const seen = await fetchVip(lb.rig, '/from');
    expect(seen).toMatch(/^10\.50\.1\.[0-3]:\d+$/);
    const remote = await fetchVip(lb.rig, '/', '-o', '/dev/null', '-w', '%{remote_ip}:%{remote_port}');
    expect(remote).toBe(`${VIP}:80`);
  });

  it('carries a megabyte whole, in segments of full size', async () => {
    const command = `curl -sS -m 20 http://${VIP}/files/megabyte | sha256sum`;
    const { stdout } = await lb.rig.exec(CLIENT, ['sh', '-c', command], { timeout: 30_000 });
    const wanted = createHash('sha256')
      .update(Buffer.alloc(1 << 20, 'l4lb'))
      .digest('hex');
    expect(stdout.split(' ')[0]).toBe(wanted);
  });

  it('carries streams in both directions at once, every byte verified', async () => {
    const streams = await streamLoad(lb.rig, CLIENT, {
      host: VIP,
      port: 7,
      connections: 4,
      chunk: 200_000,
      pause: 0,
    });
    const total = await streams.until('a megabyte each', (counters) => counters.leastBytes >= 1_000_000);
    expect(total.broken).toEqual([]);
    await streams.stop();
  });

  it.each(['+notcp', '+tcp'])('answers DNS by dig %s', async (transport) => {
    const dig = ['dig', '+short', '+tries=1', '+time=3', transport, `@${VIP}`, `pod.${ZONE}`, 'TXT'];
    const { stdout } = await lb.rig.exec(CLIENT, dig);
    expect(stdout.trim()).toMatch(/^"dns-[12]"$/);
  });

  it('answers DNS from every pod', async () => {
    const load = await dnsLoad(lb.rig, CLIENT, { host: VIP, port: 53 });
    await load.until('200 queries', (counters) => counters.requests >= 200);
    const total = await load.stop();
    expect(total.failures).toEqual([]);
    expect(Object.keys(total.answers).sort()).toEqual(['dns-1', 'dns-2']);
  });

  it('carries iperf3, its control and its data connection, over TCP and UDP', async () => {
    const [control, pod] = [5201, addressPlan.pod(1, 1)];
    const server = lb.rig.spawn('worker1', ['iperf3', '-s', '-B', pod, '-p', `${control}`], {
      name: 'iperf3',
    });
    writeService(lb.rig, {
      name: 'iperf',
      vip: '10.1.0.3',
      ports: [
        { name: 'tcp', protocol: 'TCP', port: control, targetPort: control },
        { name: 'udp', protocol: 'UDP', port: control, targetPort: control },
      ],
      endpoints: [{ address: pod, pod: 'iperf' }],
    });
    const client = ['iperf3', '-c', '10.1.0.3', '-p', `${control}`, '-t', '1', '-J'];
    for (const protocol of [
      ['-b', '100M'],
      ['-u', '-b', '50M'],
    ]) {
      // While the service is not there yet, it says so in its report.
      const measure = async () => {
        const { stdout } = await lb.rig.exec(CLIENT, [...client, ...protocol], { timeout: 30_000 });
        const report = JSON.parse(stdout) as { end: Record<string, { bytes: number }>; error?: string };
        if (report.error !== undefined) throw new Error(report.error);
        return report;
      };
      const { end } = await waitFor('iperf3 gets through', measure, { timeout: 30_000 });
      expect((end.sum_received ?? end.sum)?.bytes).toBeGreaterThan(1_000_000);
    }
    await server.stop();
  });

  it('answers a ping to the VIP, and none to an address of the range that nobody uses', async () => {
    const ping = (address: string) =>
      lb.rig.exec(CLIENT, ['ping', '-c', '2', '-i', '0.2', '-W', '1', address], { mayFail: true });
    expect((await ping(VIP)).code).toBe(0);
    expect((await ping('10.1.0.77')).code).not.toBe(0);
  });

  it('refuses a connection to a port that nobody serves at once', async () => {
    const refused = lb.rig.exec(CLIENT, ['curl', '-sSv', '-m', '5', `http://${VIP}:81/`]);
    await expect(refused).rejects.toThrow(/Connection refused/);
  });

  it('leaves traffic that is not for a VIP alone', async () => {
    const { stdout } = await lb.rig.exec(CLIENT, ['ping', '-c', '1', '-W', '2', addressPlan.lb(1)]);
    expect(stdout).toContain('1 received');
  });
});
