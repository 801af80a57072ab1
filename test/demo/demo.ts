/** `make demo`: the whole thing in network namespaces on this machine, every step verified. */

import { cleanLeftovers, takeDown } from '../rig/leftovers.ts';
import { addedSince, type MachineState, machineState } from '../rig/machine-state.ts';
import { oneArmedTopology, ROUTER, VIP } from '../rig/one-armed.ts';
import { readRecord } from '../rig/record.ts';
import { createRig, type Rig } from '../rig/rig.ts';
import { agent, bgp, cluster, requests, servers, shares } from './bring-up.ts';
import { drain, killAgent, removeBackend } from './changes.ts';
import { Narrator, seconds } from './narrator.ts';
import { CLIENT, LB, newStage } from './stage.ts';

/** Another id lets a second demo stand beside the first. */
const ID = process.env.DEMO_ID ?? 'demo';
const SOURCE = process.env.SOURCE || 'manifests';

let before: MachineState;

const say = new Narrator({
  write: (text) => void process.stdout.write(text),
  terminal: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
});

async function demo(): Promise<void> {
  before = await machineState(ID);
  await cleanLeftovers();
  const former = readRecord(ID);
  if (former?.kept === true) {
    say.note('A demo was left standing: taking it down first.');
    await takeDown(former);
  }
  say.heading(
    'A network',
    'Client, router, LB node and two workers, each a network namespace; veth pairs between them and the router. ' +
      'The LB node has one arm: packets come in and leave by the same device.',
  );
  const { result: rig, ms } = await say.during('building', () => createRig(oneArmedTopology({ id: ID })));
  try {
    say.table(rig.topology.nodes.map((node) => [rig.namespace(node.name), node.role]));
    say.verify(`built in ${seconds(ms)}`, true);
    const stage = newStage(rig, say);
    const source = SOURCE === 'kubernetes' ? [cluster] : [];
    for (const step of [servers, bgp, ...source, agent, requests, shares, removeBackend, killAgent, drain]) {
      await step(stage);
    }
  } catch (error) {
    // What is being taken down fails: the signal's handler ends the process.
    if (interrupted) return new Promise(() => {});
    say.failed(error);
    process.exitCode = 1;
  }
  await finish(rig);
}

async function finish(rig: Rig): Promise<void> {
  const failed = process.exitCode === 1;
  if (process.env.KEEP === '1') {
    rig.keep();
    if (!failed) say.summary();
    hints(rig);
    return;
  }
  if (failed)
    say.note(`Logs and configurations stay until you look: KEEP=1 make demo, then ${rig.directory}`);
  await say.during('taking everything down', () => rig.destroy());
  if (!failed) {
    const left = addedSince(before, await machineState(ID));
    say.found('left behind', left.length === 0 ? 'nothing' : left.join(', '));
    say.summary();
  }
}

function hints(rig: Rig): void {
  const inside = (node: string) => `nsenter --net=/run/netns/${rig.namespace(node)}`;
  const config = `--config ${rig.path(LB, 'agent.yaml')}`;
  say.note('');
  say.note('The rig is still up. Things to try (as root, from the top of the source tree):');
  say.table([
    ['a request', `${inside(CLIENT)} curl http://${VIP}/`],
    ['a query', `${inside(CLIENT)} dig @${VIP} pod.demo.test TXT`],
    ['services', `${inside(LB)} node dist/cli/lbctl.js ${config} service list`],
    ['drops and events', `${inside(LB)} node dist/cli/lbctl.js ${config} stats`],
    ['connections', `${inside(LB)} node dist/cli/lbctl.js ${config} conn list`],
    ['take the node out', `${inside(LB)} node dist/cli/lbctl.js ${config} drain`],
    ['routes', `${inside(ROUTER)} vtysh -N ${rig.namespace(ROUTER)} -c "show bgp ipv4 unicast"`],
    ['BIRD', `birdc -s ${rig.path(LB, 'bird.ctl')} show route`],
    ['packets', `${inside(ROUTER)} tcpdump -ni ${LB}`],
    SOURCE === 'manifests'
      ? ['change a manifest', `\${EDITOR:-vi} ${rig.directory}/manifests/web.yaml`]
      : [
          'change a Service',
          `${inside(LB)} kubectl --kubeconfig ${rig.path(LB, 'cluster', 'admin.kubeconfig')} -n demo edit service web`,
        ],
    ['logs', `${rig.directory}/*/*.log`],
    ['take it down', ID === 'demo' ? 'make demo-clean' : `npx tsx test/rig/clean.ts ${ID}`],
  ]);
}

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    if (!interrupted) say.note('\n   Interrupted: taking everything down.');
    interrupted = true;
  });
}
if (process.getuid?.() !== 0) {
  console.error('make demo needs root for network namespaces and BPF: run it with sudo');
  process.exit(1);
}
if (SOURCE !== 'manifests' && SOURCE !== 'kubernetes') {
  console.error(`make demo SOURCE=${SOURCE}: give manifests (the default) or kubernetes`);
  process.exit(1);
}
await demo();
process.exit();
