/**
 * The network inside the VM: client, router, one LB node, two workers. The LB node has a device for each way
 * of attaching, plain and 802.1Q-tagged, so that one start of the agent, the slowest step by far, serves all.
 */
import { type Agent, startAgent } from '../rig/agent.ts';
import { demoServices, type ServiceSpec, writeService } from '../rig/manifests.ts';
import { addressPlan, oneArmedTopology, ROUTER, VIP_RANGE } from '../rig/one-armed.ts';
import { createRig, type Rig } from '../rig/rig.ts';
import { startDns, startNginx } from '../rig/servers.ts';
import type { Link, Topology } from '../rig/topology.ts';
import type { HeldConnection } from './client.ts';

export const CLIENT = 'client1';
export const LB = 'lb1';

/** A device of the LB node that traffic can be led through. */
export interface Way {
  readonly name: string;
  readonly device: string;
  readonly attach: 'xdp' | 'xdp-generic' | 'tc';
  readonly vlan?: number;
}

const VLAN = 100;
const MODES = ['xdp', 'xdp-generic', 'tc'] as const;

export const WAYS: readonly Way[] = [
  ...MODES.map((attach, at): Way => ({ name: attach, device: `up${at}`, attach })),
  ...MODES.map(
    (attach, at): Way => ({ name: `${attach} on 802.1Q`, device: `up${at + 3}`, attach, vlan: VLAN }),
  ),
];

export interface VmBed {
  readonly rig: Rig;
  readonly services: { readonly web: ServiceSpec; readonly dns: ServiceSpec };
  agent: Agent;
  /** Connections that were opened before the agent was killed. */
  readonly held: HeldConnection[];
}

/** The router's device of a way, without the tag. */
export const routerDevice = (way: Way): string => `lb-${way.device}`;

const subnet = (way: Way): string => `10.20.${10 + WAYS.indexOf(way)}`;

/** Everything runs, and traffic goes by the first way, when it returns. */
export async function makeVmBed(): Promise<VmBed> {
  const rig = await createRig(vmTopology());
  // Native XDP has to see the tag, and the agent complains of a card that takes it off.
  for (const { device } of WAYS.filter(({ vlan, attach }) => vlan !== undefined && attach === 'xdp')) {
    await rig.exec(LB, ['ethtool', '-K', device, 'rxvlan', 'off']);
  }
  for (const worker of ['worker1', 'worker2']) {
    await startNginx(rig, worker);
    await startDns(rig, worker);
  }
  const services = demoServices(rig.topology);
  for (const service of [services.web, services.dns]) writeService(rig, service);
  await leadThrough(rig, firstWay());
  return { rig, services, agent: await startVmAgent(rig), held: [] };
}

export async function startVmAgent(rig: Rig): Promise<Agent> {
  const devices = WAYS.map(({ device, attach }) => ({ name: device, attach }));
  return startAgent(rig, LB, { devices });
}

/** From now on new flows come in and leave by this device only. */
export async function leadThrough(rig: Rig, way: Way): Promise<void> {
  const via = (last: number) => `${subnet(way)}.${last}`;
  for (const range of [VIP_RANGE, addressPlan.snatPool(1)]) {
    await rig.exec(ROUTER, ['ip', 'route', 'replace', range, 'via', via(2)]);
  }
  await rig.exec(LB, ['ip', 'route', 'replace', 'default', 'via', via(1)]);
}

function firstWay(): Way {
  const [first] = WAYS;
  if (first === undefined) throw new Error('there is no way to lead traffic');
  return first;
}

function vmTopology(): Topology {
  const usual = oneArmedTopology({ id: 'vm' });
  const uplinks = WAYS.map((way): Link => {
    const lb = { node: LB, device: way.device, address: `${subnet(way)}.2/24`, xdp: true };
    const router = { node: ROUTER, device: routerDevice(way), address: `${subnet(way)}.1/24`, xdp: false };
    const link: Link = { ends: [lb, router], mtu: 1500, queues: 2 };
    return way.vlan === undefined ? link : { ...link, vlan: way.vlan };
  });
  const nodes = usual.nodes.map((node) => (node.name === LB ? { ...node, routes: [] } : node));
  const links = usual.links.filter((link) => link.ends.every(({ node }) => node !== LB));
  return { ...usual, nodes, links: [...links, ...uplinks] };
}
