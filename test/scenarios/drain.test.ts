/** Drain and undrain: what the router sees, and what running connections feel. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lbctl, startAgent } from '../rig/agent.ts';
import { gatewaysFor, lbBgp, waitForRoute } from '../rig/bgp.ts';
import { streamLoad } from '../rig/load.ts';
import { ROUTER, VIP, VIP_RANGE } from '../rig/one-armed.ts';
import { setVipDevice } from '../rig/vip-device.ts';
import { waitFor } from '../rig/wait.ts';
import { CLIENT, fetchVip, LB, type LbRig, standLbRig } from './lb-rig.ts';

let lb: LbRig;
beforeAll(async () => {
  lb = await standLbRig('drain', { lbs: 2 });
});
afterAll(() => lb?.rig.destroy());

const pool = (node: string) => lbBgp(lb.rig.topology, node).snatPool;

describe('two nodes', () => {
  it('have the same tables', async () => {
    const prints = await Promise.all(
      ['lb1', 'lb2'].map(async (node) => {
        const { stdout } = await lbctl(lb.rig, node, ['maglev', 'show', 'demo/web', '-o', 'json']);
        return JSON.stringify(JSON.parse(stdout)).match(/"fingerprint":"(\w+)"/)?.[1];
      }),
    );
    expect(prints[0]).toMatch(/^\w{16}$/);
    expect(prints[0]).toBe(prints[1]);
  });

  it('both carry traffic of one client', async () => {
    for (let n = 0; n < 40; n++) await fetchVip(lb.rig);
    for (const agent of lb.agents) {
      const web = (await agent.services()).find((service) => service.name === 'web');
      expect(web?.traffic.flows).toBeGreaterThan(0);
    }
  });
});

describe('lbctl drain', () => {
  it('withdraws the VIP range of this node only, and keeps its SNAT pool', async () => {
    await lbctl(lb.rig, LB, ['drain']);
    await waitForRoute(lb.rig, VIP_RANGE, ['lb2']);
    expect(await gatewaysFor(lb.rig, ROUTER, pool(LB))).toHaveLength(1);
    for (let n = 0; n < 5; n++) expect(await fetchVip(lb.rig)).toMatch(/^web-/);
  });

  it('outlives a restart of the agent', async () => {
    await lb.agents[0]?.process.stop('SIGKILL');
    lb.agents[0] = await startAgent(lb.rig, LB);
    expect(await lb.agents[0].readiness()).toBe('drained');
    expect(await gatewaysFor(lb.rig, ROUTER, VIP_RANGE)).toEqual([lbBgp(lb.rig.topology, 'lb2').routerId]);
  });

  it('is ended by lbctl undrain', async () => {
    await lbctl(lb.rig, LB, ['undrain']);
    await waitForRoute(lb.rig, VIP_RANGE, ['lb1', 'lb2']);
  });

  it('forwards what still comes: a client whose route does not change keeps its connections', async () => {
    // The way of this client is pinned to lb1, as with a router that has not heard yet.
    const gateway = lbBgp(lb.rig.topology, LB).routerId;
    await lb.rig.exec(ROUTER, ['ip', 'route', 'add', `${VIP}/32`, 'via', gateway]);
    const streams = await streamLoad(lb.rig, CLIENT, { host: VIP, port: 7, connections: 10 });
    await streams.until('10 streams', (counters) => counters.open === 10);
    await lbctl(lb.rig, LB, ['drain']);
    await waitForRoute(lb.rig, VIP_RANGE, ['lb2']);
    const bytes = (await streams.read()).leastBytes;
    await streams.until('every stream moves on', (counters) => counters.leastBytes > bytes);
    expect(await fetchVip(lb.rig)).toMatch(/^web-/);
    const total = await streams.stop();
    await lb.rig.exec(ROUTER, ['ip', 'route', 'delete', `${VIP}/32`]);
    await lbctl(lb.rig, LB, ['undrain']);
    await waitForRoute(lb.rig, VIP_RANGE, ['lb1', 'lb2']);
    expect(total.broken).toEqual([]);
  });
});

describe('the VIP device', () => {
  it('is set up again by the agent when somebody else set it down', async () => {
    await setVipDevice(lb.rig, LB, 'down');
    await waitFor('the device is up again', async () => (await lb.agents[0]?.status())?.vip.up === true);
    await waitForRoute(lb.rig, VIP_RANGE, ['lb1', 'lb2']);
  });
});
