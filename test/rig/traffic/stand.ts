/** Brings the segment up with servers, two LB nodes' agents and a worker's, and all paths as Services. */
import { writeFileSync } from 'node:fs';
import { type Agent, startConfigured } from '../agent.ts';
import { VIP_DEVICE } from '../bgp.ts';
import { manifestDirectory, writeManifest } from '../manifests.ts';
import { UPLINK } from '../one-armed.ts';
import { createRig, type Rig } from '../rig.ts';
import { POD_PORTS } from '../server-configs.ts';
import { program, startKnot, startNginx } from '../servers.ts';
import { nodeOf } from '../topology.ts';
import { vipDeviceKind } from '../vip-device.ts';
import { waitFor } from '../wait.ts';
import { networkCommands, pathManifest, senderAddresses } from './network.ts';
import { NARROW_PATHS, WIDE_PATHS } from './paths.ts';
import { LBS, trafficTopology } from './topology.ts';

export type Hook = 'xdp' | 'xdp-generic' | 'tc';

/** Any, the same on both nodes. */
const SEED = '6c346c622072696720736565';
const VIP_RANGES = ['10.1.0.0/24', '2001:db8:1::/64'];

export interface TrafficRig {
  readonly rig: Rig;
  readonly lbs: Readonly<Record<(typeof LBS)[number], Agent>>;
  readonly worker: Agent;
}

export async function ipBatch(rig: Rig, node: string, commands: readonly string[]): Promise<void> {
  // Families change from line to line, which a batch cannot.
  for (const command of commands) await rig.exec(node, ['ip', ...command.split(' ')]);
}

async function startLb(rig: Rig, lb: (typeof LBS)[number], hook: Hook): Promise<Agent> {
  const seedFile = rig.path(lb, 'seed');
  writeFileSync(seedFile, `${SEED}\n`, { mode: 0o600 });
  return startConfigured(rig, lb, {
    node: lb,
    runtimeDirectory: rig.path(lb, 'agent'),
    bpfDirectory: rig.bpfDirectory(lb),
    source: { manifests: manifestDirectory(rig) },
    vips: { ranges: VIP_RANGES, device: { name: VIP_DEVICE, kind: await vipDeviceKind(rig, lb) } },
    devices: [{ name: UPLINK, attach: hook }],
    // Each hook with another short way through the program.
    mode: hook === 'tc' ? 'snat' : 'ipip',
    snat: { addresses: senderAddresses.snat(lb), sharedFlows: 1024 },
    dsr: { source: senderAddresses.outer(lb) },
    hash: { nodes: LBS.length, seedFile },
  });
}

function startWorker(rig: Rig, hook: Hook): Promise<Agent> {
  return startConfigured(rig, 'worker1', {
    role: 'node',
    node: 'worker1',
    runtimeDirectory: rig.path('worker1', 'agent'),
    bpfDirectory: rig.bpfDirectory('worker1'),
    source: { manifests: manifestDirectory(rig) },
    vips: { ranges: VIP_RANGES },
    devices: [{ name: UPLINK, attach: hook }],
    tunnel: { sources: LBS.flatMap(senderAddresses.outer) },
  });
}

async function startServers(rig: Rig, node: string): Promise<void> {
  const addresses = nodeOf(rig.topology, node).pods.map(({ address }) => address);
  const command = program('test/rig/load/udp-echo-server.ts', `${POD_PORTS.echo}`, ...addresses);
  const echo = rig.spawn(node, command, { name: 'udp-echo' });
  const iperf = rig.spawn(node, ['iperf3', '-s', '--forceflush'], { name: 'iperf3' });
  await startNginx(rig, node);
  await startKnot(rig, node, node, addresses);
  for (const [server, word] of [
    [echo, 'listening'],
    [iperf, 'listening'],
  ] as const) {
    await waitFor(`${server.name} listens`, async () => server.output().includes(word), {
      evidence: async () => server.output(),
    });
  }
}

/** name: short, for the rig's id. */
export async function standTrafficRig(name: string, hook: Hook): Promise<TrafficRig> {
  const rig = await createRig(trafficTopology(`${name}-${process.pid}`, hook !== 'tc'));
  try {
    for (const [node, commands] of Object.entries(networkCommands())) await ipBatch(rig, node, commands);
    for (const path of [...WIDE_PATHS, ...NARROW_PATHS]) writeManifest(rig, path.name, pathManifest(path));
    await Promise.all(['pod1', 'host1'].map((node) => startServers(rig, node)));
    const [lb1, lb2, worker] = await Promise.all([
      startLb(rig, 'lb1', hook),
      startLb(rig, 'lb2', hook),
      startWorker(rig, hook),
    ]);
    return { rig, lbs: { lb1, lb2 }, worker };
  } catch (error) {
    await rig.destroy();
    throw error;
  }
}
