/** Two LB nodes with whole agents: the one that holds the Lease is lost, under load, and comes back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpLoad } from '../../rig/load.ts';
import { CLIENT, type LbName, routeOver } from '../../rig/many-pods.ts';
import { waitFor } from '../../rig/wait.ts';
import { service } from '../api-client.ts';
import { balancer } from '../service-view.ts';
import { Cluster } from './cluster.ts';

const VIP = '10.1.0.2';
/** So that a node that takes over needs nothing of the other's. */
const DSR = { 'l4lb.io/mode': 'ipip' };

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create(
    'leader',
    async ({ plane, pods }) => {
      const web = service('web', VIP, { selector: { app: 'web' } });
      plane.kubectl(
        ['apply', '-f', '-'],
        JSON.stringify({ ...web, metadata: { ...web.metadata, annotations: DSR } }),
      );
      await pods.start('web', 3);
    },
    ['lb1', 'lb2'],
  );
  await cluster.untilActive('web', cluster.pods.of('web'));
});
afterAll(() => cluster?.destroy());

async function untilLeads(lb: LbName): Promise<void> {
  await waitFor(`${lb} leads`, async () => (await cluster.balancer(lb).status()).controller?.leads === true, {
    timeout: 30_000,
  });
}

test('the leader is lost under load: no request fails, and the other node gives addresses', async () => {
  await untilLeads('lb1');
  cluster.apply(balancer('early', { spec: { selector: { app: 'web' } }, annotations: DSR }));
  const early = await cluster.addressOf('early');
  await cluster.untilActive('early', cluster.pods.of('web'));
  // Of both Services: ports that a client uses for two VIPs at once meet at the pods.
  const loads = await Promise.all([
    httpLoad(cluster.rig, CLIENT, { host: VIP, port: 80 }),
    httpLoad(cluster.rig, CLIENT, { host: early, port: 80, keepAlive: true, loops: 16 }),
  ]);
  const more = async (): Promise<void> => {
    for (const load of loads) {
      const { requests } = await load.read();
      await load.until('requests go on', (now) => now.requests > requests + 50);
    }
  };
  await more();

  await cluster.loseBalancer('lb1');
  await routeOver(cluster.rig, ['lb2']);
  await more();
  await untilLeads('lb2');
  cluster.apply(balancer('later', { spec: { selector: { app: 'web' } }, annotations: DSR }));
  const later = await cluster.addressOf('later');
  expect(later).not.toBe(early);
  await cluster.untilActive('later', cluster.pods.of('web'));
  expect(await cluster.podsThatAnswer(later)).toHaveLength(3);

  await cluster.plugBalancer('lb1');
  await cluster.startBalancer('lb1');
  await cluster.untilActive('later', cluster.pods.of('web'));
  await routeOver(cluster.rig, ['lb1', 'lb2']);
  await more();
  expect(await cluster.podsThatAnswer(later)).toHaveLength(3);
  expect((await cluster.balancer('lb1').status()).controller).toMatchObject({ leads: false });
  expect([await cluster.addressOf('early'), await cluster.addressOf('later')]).toEqual([early, later]);
  const ends = await Promise.all(loads.map((load) => load.stop()));
  const requests = ends.map((end) => end.requests);
  console.log(
    `failed: ${ends.flatMap(({ failures }) => failures).length} of ${requests[0]} requests on new and ${requests[1]} on kept connections`,
  );
  expect(ends.flatMap(({ failures }) => failures)).toEqual([]);
});
