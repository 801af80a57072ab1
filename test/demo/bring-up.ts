/** The first half of the demo: from nothing to answers through the VIP. */
import {
  establishedPeers,
  gatewaysFor,
  lbBgp,
  startBird,
  startFrr,
  vtysh,
  waitForRoute,
} from '../rig/bgp.ts';
import { httpLoad } from '../rig/load.ts';
import { podsOf, ROUTER, VIP, VIP_RANGE } from '../rig/one-armed.ts';
import { ZONE } from '../rig/server-configs.ts';
import { startDns, startEcho, startNginx } from '../rig/servers.ts';
import { waitFor } from '../rig/wait.ts';
import { startCluster } from './manifests.ts';
import { seconds } from './narrator.ts';
import { beginAgent, CLIENT, LB, type Stage, showLbctl, WORKERS, webView } from './stage.ts';

/** Requests that show the shares; enough that a wrong table is told from chance. */
const SAMPLE = 2000;

export async function servers(stage: Stage): Promise<void> {
  const { rig, say } = stage;
  say.heading(
    'Servers',
    'nginx and Knot DNS on two workers, one address a pod. They know nothing of the balancer.',
  );
  await say.during('servers start', () =>
    Promise.all(WORKERS.flatMap((w) => [startNginx(rig, w), startDns(rig, w), startEcho(rig, w)])),
  );
  say.table(podsOf(rig.topology).map((pod) => [pod.name, pod.address]));
  say.verify('every pod answers on its own worker', true);
}

export async function bgp(stage: Stage): Promise<void> {
  const { rig, say } = stage;
  say.heading(
    'BGP',
    'FRR on the router, BIRD on the LB node, BFD between them. The session comes up, but there is nothing ' +
      'to announce for the VIP range yet: no agent, no VIP device, no route.',
  );
  await startFrr(rig, ROUTER);
  await startBird(rig, LB);
  const peer = lbBgp(rig.topology, LB).routerId;
  const { ms } = await say.during('the session comes up', () =>
    waitFor('the BGP session is established', async () => (await establishedPeers(rig)).includes(peer), {
      timeout: 30_000,
      evidence: () => vtysh(rig, ROUTER, 'show bgp summary'),
    }),
  );
  say.verify(`session with ${peer} is established`, true);
  say.verify(
    `the router has no route to ${VIP_RANGE}`,
    (await gatewaysFor(rig, ROUTER, VIP_RANGE)).length === 0,
  );
  say.found('BGP session up', `after ${seconds(ms)}`);
}

/** Only with SOURCE=kubernetes. */
export async function cluster(stage: Stage): Promise<void> {
  const { rig, say } = stage;
  say.heading(
    'A cluster',
    'etcd, kube-apiserver and the EndpointSlice controller, as one process on the LB node. The manifests come ' +
      'there by kubectl apply.',
  );
  const { result, ms } = await say.during('the control plane starts', () => startCluster(rig, LB));
  stage.manifests = result;
  say.verify('the API server is ready', true);
  say.found('control plane from exec to ready', seconds(ms));
}

export async function agent(stage: Stage): Promise<void> {
  const { rig, say } = stage;
  say.heading(
    'The agent',
    `lb-agent loads the XDP program, fills its maps from ${stage.manifests.source}, and sets the ` +
      'VIP device up. BIRD sees the device and announces the range.',
  );
  for (const service of Object.values(stage.services)) await stage.manifests.publish(service);
  const began = Date.now();
  const ms = await beginAgent(stage);
  await waitForRoute(rig, VIP_RANGE, [LB]);
  const announced = Date.now() - began;
  const summary = await vtysh(rig, ROUTER, 'show bgp summary');
  say.shown(
    'vtysh -c "show bgp summary"   # on the router',
    summary
      .split('\n')
      .filter((line) => /^Neighbor|^\d/.test(line))
      .join('\n'),
  );
  const route = await rig.exec(ROUTER, ['ip', 'route', 'show', VIP_RANGE]);
  say.shown(`ip route show ${VIP_RANGE}   # on the router`, route.stdout);
  say.verify(`the router sends ${VIP_RANGE} to ${LB}`, true);
  const status = await stage.agent?.status();
  const devices = status?.devices ?? [];
  const modes = devices.map((device) => `${device.name}: ${device.mode}`).join(', ');
  say.verify(
    `the program sits on the device (${modes})`,
    devices.length > 0 && devices.every((each) => each.attached),
  );
  say.found('agent from exec to serving', seconds(ms));
  say.found('agent from exec to the route on the router', seconds(announced));
}

export async function requests(stage: Stage): Promise<void> {
  const { rig, say } = stage;
  say.heading(
    'Requests',
    `curl and dig from the client, to ${VIP}: HTTP on 80, DNS on 53 by UDP and by TCP.`,
  );
  for (let n = 0; n < 3; n++) {
    const { stdout } = await rig.exec(CLIENT, ['curl', '-sS', '-m', '5', `http://${VIP}/`]);
    say.shown(`curl http://${VIP}/`, stdout);
    say.verify(
      'a pod answers',
      podsOf(rig.topology, 'web').some((pod) => pod.name === stdout.trim()),
      stdout,
    );
  }
  for (const transport of ['+notcp', '+tcp']) {
    const dig = ['dig', '+short', '+tries=1', '+time=3', transport, `@${VIP}`, `pod.${ZONE}`, 'TXT'];
    const { stdout } = await rig.exec(CLIENT, dig);
    say.shown(dig.join(' '), stdout);
    const names = podsOf(rig.topology, 'dns').map((pod) => `"${pod.name}"`);
    say.verify(
      `DNS answers over ${transport === '+tcp' ? 'TCP' : 'UDP'}`,
      names.includes(stdout.trim()),
      stdout,
    );
  }
}

export async function shares(stage: Stage): Promise<void> {
  const { rig, say } = stage;
  say.heading(
    'Who gets how much',
    `Each backend has its share of the Maglev table's slots; ${SAMPLE} requests, each a connection of its own, ` +
      'fall on them by the hash of their addresses and ports.',
  );
  await showLbctl(stage, ['service', 'list'], 20);
  const load = await httpLoad(rig, CLIENT, { host: VIP, port: 80, pause: 0 });
  const { ms } = await say.during(`${SAMPLE} requests`, () =>
    load.until(`${SAMPLE} requests`, (counters) => counters.requests >= SAMPLE),
  );
  const total = await load.stop();
  const answered = Object.values(total.answers).reduce((sum, count) => sum + count, 0);
  const view = await webView(stage);
  const rows = view.backends.map((backend) => {
    const pod = stage.services.web.endpoints.find((each) => each.address === backend.address)?.pod ?? '?';
    return { pod, share: backend.share, slots: backend.slots, count: total.answers[pod] ?? 0 };
  });
  const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
  say.table([
    ['pod', 'slots', 'share', 'answers', 'share'],
    ...rows.map((row) => [
      row.pod,
      `${row.slots}`,
      percent(row.share),
      `${row.count}`,
      percent(row.count / answered),
    ]),
  ]);
  say.verify('no request failed', total.failures.length === 0, JSON.stringify(total.failures[0]));
  // Five standard deviations of a binomial distribution: chance exceeds that once in a million runs.
  const far = rows.filter(
    (row) =>
      Math.abs(row.count - answered * row.share) > 5 * Math.sqrt(answered * row.share * (1 - row.share)),
  );
  say.verify('every pod got its share, within what chance allows', far.length === 0, JSON.stringify(far));
  say.found(
    'requests, each a new connection',
    `${answered} in ${seconds(ms)}, ${total.failures.length} failed`,
  );
}
