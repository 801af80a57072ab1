/**
 * The network inside the VM: client, router, one LB node, two workers with agents of their own, and a host that ends tunnels by itself;
 * SNAT and the workers are IPv4's, DSR and the host are of both families. The LB node has a device for each way
 * of attaching, plain and 802.1Q-tagged, so that one start of the agent, the slowest step by far, serves all.
 */
import { type Agent, startAgent } from '../rig/agent.ts';
import { demoServices, type ServiceSpec, writeService } from '../rig/manifests.ts';
import { addressPlan, oneArmedTopology, ROUTER, UPLINK, VIP_RANGE } from '../rig/one-armed.ts';
import { createRig, type Rig } from '../rig/rig.ts';
import { startDns, startNginx } from '../rig/servers.ts';
import type { Link, Topology } from '../rig/topology.ts';
import { BARE_HOST, bareHostLink, bareHostNode, startBareHost } from './bare-host.ts';
import type { HeldConnection } from './client.ts';
import { CLIENT6, ROUTER_TO_CLIENT6, VIP_RANGE6, withIpv6 } from './ipv6.ts';
import { startVmWorker, WORKERS, writeTunnelledServices } from './workers.ts';

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
/** A client's packet of 1500 bytes with the largest outer header. */
const OUTER_MTU = 1600;
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
  /** Agents of the workers, in the order of WORKERS. */
  readonly workers: readonly Agent[];
  /** Connections that were opened before the agent was killed. */
  readonly held: HeldConnection[];
}

/** The router's device of a way, without the tag. */
export const routerDevice = (way: Way): string => `lb-${way.device}`;

const subnet = (way: Way): string => `10.20.${10 + WAYS.indexOf(way)}`;
const subnet6 = (way: Way): string => `2001:db8:20:${10 + WAYS.indexOf(way)}::`;
/** Of outer headers. */
const OUTER_SOURCES = ['10.20.200.0/24', '2001:db8:20:ff::/96'];

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
  await addIpv6(rig);
  await startBareHost(rig);
  await leadThrough(rig, firstWay());
  writeTunnelledServices(rig);
  const [agent, ...workers] = await Promise.all([
    startVmAgent(rig),
    ...WORKERS.map((worker) => startVmWorker(rig, worker, OUTER_SOURCES, OUTER_MTU)),
  ]);
  return { rig, services, agent, workers, held: [] };
}

export async function startVmAgent(rig: Rig): Promise<Agent> {
  const devices = WAYS.map(({ device, attach }) => ({ name: device, attach }));
  return startAgent(rig, LB, {
    devices,
    vips: { ranges: [VIP_RANGE, VIP_RANGE6] },
    dsr: { source: OUTER_SOURCES },
  });
}

/** From now on new flows come in and leave by this device only. */
export async function leadThrough(rig: Rig, way: Way): Promise<void> {
  const via = (last: number) => `${subnet(way)}.${last}`;
  for (const range of [VIP_RANGE, addressPlan.snatPool(1)]) {
    await rig.exec(ROUTER, ['ip', 'route', 'replace', range, 'via', via(2)]);
  }
  await rig.exec(LB, ['ip', 'route', 'replace', 'default', 'via', via(1)]);
  await rig.exec(ROUTER, ['ip', '-6', 'route', 'replace', VIP_RANGE6, 'via', `${subnet6(way)}2`]);
  await rig.exec(LB, ['ip', '-6', 'route', 'replace', 'default', 'via', `${subnet6(way)}1`]);
}

/** The rig's declarations know IPv4 only. */
async function addIpv6(rig: Rig): Promise<void> {
  const add = (node: string, device: string, address: string): Promise<unknown> =>
    rig.exec(node, ['ip', '-6', 'address', 'add', `${address}/64`, 'dev', device, 'nodad']);
  for (const way of WAYS) {
    const tag = way.vlan === undefined ? '' : `.${way.vlan}`;
    await add(LB, `${way.device}${tag}`, `${subnet6(way)}2`);
    await add(ROUTER, `${routerDevice(way)}${tag}`, `${subnet6(way)}1`);
  }
  await add(CLIENT, UPLINK, CLIENT6);
  await add(ROUTER, CLIENT, ROUTER_TO_CLIENT6);
  await rig.exec(CLIENT, ['ip', '-6', 'route', 'add', 'default', 'via', ROUTER_TO_CLIENT6]);
}

export function firstWay(): Way {
  const [first] = WAYS;
  if (first === undefined) throw new Error('there is no way to lead traffic');
  return first;
}

function vmTopology(): Topology {
  const usual = oneArmedTopology({ id: 'vm' });
  const uplinks = WAYS.map((way): Link => {
    const lb = { node: LB, device: way.device, address: `${subnet(way)}.2/24`, xdp: true };
    const router = { node: ROUTER, device: routerDevice(way), address: `${subnet(way)}.1/24`, xdp: false };
    const link: Link = { ends: [lb, router], mtu: OUTER_MTU, queues: 2 };
    return way.vlan === undefined ? link : { ...link, vlan: way.vlan };
  });
  const nodes = usual.nodes.map((node) => (node.name === LB ? { ...node, routes: [] } : node));
  const links = usual.links.filter((link) => link.ends.every(({ node }) => node !== LB));
  return {
    ...usual,
    nodes: [...nodes, bareHostNode].map((node) =>
      [LB, ROUTER, CLIENT, BARE_HOST].includes(node.name) ? withIpv6(node) : node,
    ),
    links: [...links, ...uplinks, bareHostLink(OUTER_MTU)],
  };
}
