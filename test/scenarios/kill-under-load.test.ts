/** The agent dies and comes back; clients do not notice. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAgent } from '../rig/agent.ts';
import { gatewaysFor } from '../rig/bgp.ts';
import { since } from '../rig/load/counters.ts';
import { dnsLoad, httpLoad, streamLoad } from '../rig/load.ts';
import { podsOf, ROUTER, VIP, VIP_RANGE } from '../rig/one-armed.ts';
import { CLIENT, LB, type LbRig, standLbRig } from './lb-rig.ts';

let lb: LbRig;
beforeAll(async () => {
  lb = await standLbRig('kill');
});
afterAll(() => lb?.rig.destroy());

const agent = () => {
  const [first] = lb.agents;
  if (first === undefined) throw new Error('no agent');
  return first;
};

describe.each(['SIGKILL', 'SIGTERM'] as const)('an agent ended by %s under load', (signal) => {
  it('breaks no connection, fails no request, and is taken over by the next one', async () => {
    const web = await httpLoad(lb.rig, CLIENT, { host: VIP, port: 80 });
    const kept = await httpLoad(lb.rig, CLIENT, { host: VIP, port: 80, keepAlive: true });
    const dns = await dnsLoad(lb.rig, CLIENT, { host: VIP, port: 53 });
    const streams = await streamLoad(lb.rig, CLIENT, { host: VIP, port: 7, connections: 20 });
    await streams.until('20 streams', (counters) => counters.open === 20);

    const alive = await web.read();
    await agent().process.stop(signal);
    const dead = await web.until('500 requests without an agent', (c) => c.requests > alive.requests + 500);
    expect(Object.keys(since(alive, dead).answers).sort()).toEqual(
      podsOf(lb.rig.topology, 'web').map((pod) => pod.name),
    );
    expect(await gatewaysFor(lb.rig, ROUTER, VIP_RANGE)).toHaveLength(1);

    lb.agents = [await startAgent(lb.rig, LB)];
    const again = await web.read();
    await web.until('200 requests with the new agent', (c) => c.requests > again.requests + 200);
    const [a, b, c, d] = [await web.stop(), await kept.stop(), await dns.stop(), await streams.stop()];
    console.log(
      `${signal}: failed ${a.failures.length}/${a.requests} new, ${b.failures.length}/${b.requests} kept, ` +
        `${c.failures.length}/${c.requests} DNS; ${d.broken.length}/20 streams broken`,
    );
    expect([a.failures, b.failures, c.failures, d.broken, d.refused]).toEqual([[], [], [], [], []]);
  });
});
