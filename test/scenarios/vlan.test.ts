/** A tagged link between router and LB node: the program sees 802.1Q frames and has to send such. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../rig/command.ts';
import { httpLoad, streamLoad } from '../rig/load.ts';
import { podsOf, ROUTER, UPLINK, VIP } from '../rig/one-armed.ts';
import { CLIENT, LB, type LbRig, standLbRig } from './lb-rig.ts';

const VLAN = 100;

/** Tried out in a namespace of its own: /proc does not tell. */
async function kernelHasVlan(): Promise<boolean> {
  const make = `ip link add v0 type veth peer name v1 && ip link add link v0 name v0.${VLAN} type vlan id ${VLAN}`;
  return (await run(['unshare', '--net', 'sh', '-c', make], { mayFail: true })).code === 0;
}

describe.each(['xdp', 'xdp-generic', 'tc'])('on a tagged link, attached as %s', (attach) => {
  let lb: LbRig | undefined;
  let able = false;

  beforeAll(async () => {
    able = await kernelHasVlan();
    if (!able) return;
    lb = await standLbRig(`v-${attach.slice(-3)}`, { lbVlan: VLAN }, { devices: [{ name: UPLINK, attach }] });
  });
  beforeEach((context) => {
    if (!able) context.skip('this kernel has no 802.1Q devices (CONFIG_VLAN_8021Q): run it on one that has');
  });
  afterAll(() => lb?.rig.destroy());

  const rig = () => {
    if (lb === undefined) throw new Error('no rig');
    return lb.rig;
  };

  it('serves HTTP from every pod and carries streams', async () => {
    const load = await httpLoad(rig(), CLIENT, { host: VIP, port: 80, pause: 0 });
    const streams = await streamLoad(rig(), CLIENT, { host: VIP, port: 7, connections: 4, chunk: 50_000 });
    await load.until('400 requests', (counters) => counters.requests >= 400);
    await streams.until('500 kB each', (counters) => counters.leastBytes >= 500_000);
    const [a, b] = [await load.stop(), await streams.stop()];
    expect([a.failures, b.broken, b.refused]).toEqual([[], [], []]);
    expect(Object.keys(a.answers).sort()).toEqual(podsOf(rig().topology, 'web').map((pod) => pod.name));
  });

  it('sends only tagged frames for the VIP and the SNAT pool, and none by way of the kernel', async () => {
    const capture = [
      'tcpdump',
      '-c',
      '20',
      '-eni',
      LB,
      'ip and not vlan and (net 10.1.0.0/24 or net 10.50.0.0/16)',
    ];
    const untagged = rig().spawn(ROUTER, capture, { name: 'untagged' });
    const load = await httpLoad(rig(), CLIENT, { host: VIP, port: 80 });
    await load.until('200 requests', (counters) => counters.requests >= 200);
    await load.stop();
    await untagged.stop('SIGINT');
    expect(untagged.output()).toMatch(/^0 packets captured/m);
    const events = (
      await lb?.agents[0]?.get<{ events: Array<{ event: string; packets: number }> }>('/v1/stats')
    )?.events;
    const kernel = events?.find((each) => /kernel/i.test(each.event))?.packets ?? 0;
    // The first packets may find their neighbour unresolved.
    expect(kernel).toBeLessThan(50);
  });
});
