/** The second half: what goes on under load. */
import { gatewaysFor, lbBgp, waitForRoute } from '../rig/bgp.ts';
import { since } from '../rig/load/counters.ts';
import { httpLoad, streamLoad } from '../rig/load.ts';
import { withEndpoint } from '../rig/manifests.ts';
import { ROUTER, VIP, VIP_RANGE } from '../rig/one-armed.ts';
import { seconds } from './narrator.ts';
import { agentOf, beginAgent, CLIENT, changeWeb, LB, type Stage, showLbctl, webView } from './stage.ts';

const GONE = 'web-2-1';

export async function removeBackend(stage: Stage): Promise<void> {
  const { rig, say } = stage;
  say.heading(
    'A backend leaves, under load',
    `${GONE} begins to terminate: it keeps its connections and gets no new ones. Then it is gone from the ` +
      'EndpointSlice. Requests go on all the time.',
  );
  const before = await webView(stage);
  const address = stage.services.web.endpoints.find((each) => each.pod === GONE)?.address;
  const load = await httpLoad(rig, CLIENT, { host: VIP, port: 80 });
  await load.until('requests flow', (counters) => counters.requests > 200);

  const terminating = withEndpoint(stage.services.web, GONE, {
    ready: false,
    serving: true,
    terminating: true,
  });
  const ms = await changeWeb(stage, terminating, (view) =>
    view.backends.some((each) => each.address === address && each.state === 'draining'),
  );
  // What was under way when the table changed may still be answered: look from a moment later on.
  const changed = await load.read();
  const settled = await load.until('requests after the change', (c) => c.requests > changed.requests + 20);
  const later = await load.until('more requests', (c) => c.requests > settled.requests + 300);
  const meanwhile = since(settled, later);
  say.verify(
    `${GONE} gets no new connection (0 of ${meanwhile.requests})`,
    meanwhile.answers[GONE] === undefined,
  );

  await changeWeb(stage, withEndpoint(terminating, GONE, undefined), (view) =>
    view.backends.every((each) => each.address !== address),
  );
  await load.until('requests without it', (c) => c.requests > later.requests + 300);
  const total = await load.stop();
  say.verify(
    `0 of ${total.requests} requests failed`,
    total.failures.length === 0,
    JSON.stringify(total.failures),
  );
  const after = await webView(stage);
  say.table([
    ['pod', 'slots before', 'slots after'],
    ...before.backends.map((backend) => [
      stage.services.web.endpoints.find((each) => each.address === backend.address)?.pod ?? GONE,
      `${backend.slots}`,
      `${after.backends.find((each) => each.address === backend.address)?.slots ?? 0}`,
    ]),
  ]);
  say.found(
    'a backend terminates and goes, under load',
    `${total.failures.length} of ${total.requests} requests failed`,
  );
  say.found(`${stage.manifests.change} to programmed`, seconds(ms));

  const back = {
    ...stage.services.web,
    endpoints: [...terminating.endpoints.map(({ address: a, pod }) => ({ address: a, pod }))],
  };
  await changeWeb(stage, back, (view) =>
    view.backends.some((each) => each.address === address && each.state === 'active'),
  );
  say.verify(`${GONE} is back`, true);
}

export async function killAgent(stage: Stage): Promise<void> {
  const { rig, say } = stage;
  say.heading(
    'The agent is killed, under load',
    'kill -9. Program, maps and routes stay, so packets are forwarded as before, new connections too. ' +
      'Requests and 20 long connections that verify every byte run all the time.',
  );
  const load = await httpLoad(rig, CLIENT, { host: VIP, port: 80 });
  const streams = await streamLoad(rig, CLIENT, { host: VIP, port: 7, connections: 20 });
  await streams.until('all streams are up', (counters) => counters.open === 20);
  await load.until('requests flow', (counters) => counters.requests > 200);

  const alive = await load.read();
  await agentOf(stage).process.stop('SIGKILL');
  const { result: dead, ms } = await say.during('requests without an agent', () =>
    load.until('requests without an agent', (counters) => counters.requests > alive.requests + 1000),
  );
  const meanwhile = since(alive, dead);
  const pods = Object.keys(meanwhile.answers).length;
  say.verify(
    `${meanwhile.requests} requests in ${seconds(ms)} without an agent, to all ${pods} pods, 0 failed`,
    meanwhile.failures.length === 0 && pods === stage.services.web.endpoints.length,
    JSON.stringify(meanwhile),
  );
  const offline = await showLbctl(stage, ['service', 'list'], 12);
  say.verify('lbctl reads the pinned maps meanwhile', offline.includes(VIP));

  const restart = await beginAgent(stage);
  const again = await load.read();
  await load.until('requests with the new agent', (counters) => counters.requests > again.requests + 300);
  const [total, held] = [await load.stop(), await streams.stop()];
  say.verify(
    `the agent took over what it found, 0 of ${total.requests} requests failed`,
    total.failures.length === 0,
    JSON.stringify(total.failures),
  );
  say.verify(
    `20 long connections unbroken, ${Math.round(held.verifiedBytes / 1000)} kB verified`,
    held.broken.length === 0 && held.refused.length === 0,
    JSON.stringify(held),
  );
  say.found(
    'agent killed and started again, under load',
    `${total.failures.length} of ${total.requests} requests failed`,
  );
  say.found('long connections over kill and restart', `${held.broken.length} of 20 broken`);
  say.found('agent restart to serving', seconds(restart));
}

export async function drain(stage: Stage): Promise<void> {
  const { rig, say } = stage;
  say.heading(
    'Drain',
    'lbctl drain sets the VIP device down; BIRD withdraws the VIP range and keeps the SNAT pool, where answers ' +
      'to running connections go. lbctl undrain brings the range back.',
  );
  const pool = lbBgp(rig.topology, LB).snatPool;
  const began = Date.now();
  await showLbctl(stage, ['drain']);
  await waitForRoute(rig, VIP_RANGE, []);
  const withdrawn = Date.now() - began;
  say.verify(`the router has no route to ${VIP_RANGE} any more`, true);
  say.verify(
    `it still has the one to the SNAT pool ${pool}`,
    (await gatewaysFor(rig, ROUTER, pool)).length === 1,
  );
  const refused = await rig.exec(CLIENT, ['curl', '-sS', '-m', '2', `http://${VIP}/`], { mayFail: true });
  say.verify('a client gets no answer: this was the only node', refused.code !== 0);
  const undrain = Date.now();
  await showLbctl(stage, ['undrain']);
  await waitForRoute(rig, VIP_RANGE, [LB]);
  const back = Date.now() - undrain;
  const { stdout } = await rig.exec(CLIENT, ['curl', '-sS', '-m', '5', `http://${VIP}/`]);
  say.verify('the route is back, and so are answers', stdout.startsWith('web-'), stdout);
  say.found('lbctl drain to route withdrawn', seconds(withdrawn));
  say.found('lbctl undrain to route back', seconds(back));
}
