/**
 * The usual topology: clients, one router that speaks BGP, LB nodes with one
 * device each, and workers in subnets of their own.
 *
 *     client1 ─┐            ┌─ worker1 (pods web-1-1, web-1-2, dns-1, echo-1)
 *              ├─ router1 ──┤
 *     client2 ─┘     │      └─ worker2 (pods web-2-1, ...)
 *                   lb1      XDP on up0, BIRD or FRR beside the agent
 */
import type { Link, LinkEnd, Node, Pod, Topology } from './topology.ts';

export interface OneArmedOptions {
  readonly id: string;
  readonly clients?: number;
  readonly lbs?: number;
  readonly workers?: number;
  /** Web pods of each worker; one DNS pod and one echo pod come with them. */
  readonly webPods?: number;
  readonly mtu?: number;
  /** Whether XDP programs sit on the LB nodes' devices, default true; false leaves all offloads on. */
  readonly xdp?: boolean;
  /** Makes the links between router and LB nodes 802.1Q-tagged. */
  readonly lbVlan?: number;
}

export const ROUTER = 'router1';
/** Where an LB node's programs sit. */
export const UPLINK = 'up0';
export const VIP_RANGE = '10.1.0.0/24';
export const VIP = '10.1.0.2';
export const ROUTER_ASN = 65000;
export const LB_ASN = 65001;

/** Third byte of every subnet: the number of the client, LB node or worker, from 1. */
export const addressPlan = {
  client: (number: number) => `10.10.${number}.2`,
  lb: (number: number) => `10.20.${number}.2`,
  worker: (number: number) => `10.30.${number}.2`,
  /** The router's address on the link to them. */
  routerToClient: (number: number) => `10.10.${number}.1`,
  routerToLb: (number: number) => `10.20.${number}.1`,
  routerToWorker: (number: number) => `10.30.${number}.1`,
  pods: (worker: number) => `10.40.${worker}.0/24`,
  pod: (worker: number, number: number) => `10.40.${worker}.${number}`,
  snatPool: (lb: number) => `10.50.${lb}.0/30`,
} as const;

/** All pods of a rig in the order of the workers. */
export function podsOf(topology: Topology, app?: Pod['app']): readonly Pod[] {
  return topology.nodes.flatMap((node) => node.pods).filter((pod) => app === undefined || pod.app === app);
}

/** Builds the declaration; throws on numbers that the address plan has no room for. */
export function oneArmedTopology(options: OneArmedOptions): Topology {
  const { clients = 1, lbs = 1, workers = 2, webPods = 2, mtu = 1500 } = options;
  for (const [name, value] of Object.entries({ clients, lbs, workers, webPods })) {
    if (!Number.isInteger(value) || value < 1 || value > 99) {
      throw new RangeError(`${name} ${value}: must be a whole number from 1 to 99`);
    }
  }
  const nodes: Node[] = [];
  const links: Link[] = [];
  const routes = numbers(workers).map((n) => ({ to: addressPlan.pods(n), via: addressPlan.worker(n) }));
  nodes.push({
    ...bare('router', ROUTER),
    routes,
    asn: ROUTER_ASN,
    sysctls: { ...FORWARDING, 'net.ipv4.fib_multipath_hash_policy': '1' },
  });
  for (const n of numbers(clients)) {
    nodes.push({ ...bare('client', `client${n}`), routes: [viaRouter(addressPlan.routerToClient(n))] });
    links.push({
      ends: linkEnds(`client${n}`, addressPlan.client(n), addressPlan.routerToClient(n)),
      mtu,
      queues: 2,
    });
  }
  for (const n of numbers(lbs)) {
    nodes.push({
      ...bare('lb', `lb${n}`),
      routes: [viaRouter(addressPlan.routerToLb(n))],
      // What a careful distribution ships: it is the agent that has to change it.
      sysctls: { 'net.ipv4.ip_forward': '0', ...reversePathFilter('1') },
      asn: LB_ASN,
      snatPool: addressPlan.snatPool(n),
    });
    const ends = linkEnds(`lb${n}`, addressPlan.lb(n), addressPlan.routerToLb(n), options.xdp ?? true);
    const link: Link = { ends, mtu, queues: 2 };
    links.push(options.lbVlan === undefined ? link : { ...link, vlan: options.lbVlan });
  }
  for (const n of numbers(workers)) {
    const pods = podsOfWorker(n, webPods);
    nodes.push({
      ...bare('worker', `worker${n}`),
      loopback: pods.map((pod) => `${pod.address}/32`),
      routes: [viaRouter(addressPlan.routerToWorker(n))],
      pods,
    });
    links.push({
      ends: linkEnds(`worker${n}`, addressPlan.worker(n), addressPlan.routerToWorker(n)),
      mtu,
      queues: 2,
    });
  }
  return { id: options.id, nodes, links, vipRange: VIP_RANGE };
}

const reversePathFilter = (value: string) => ({
  'net.ipv4.conf.all.rp_filter': value,
  'net.ipv4.conf.default.rp_filter': value,
});

const FORWARDING = { 'net.ipv4.ip_forward': '1', ...reversePathFilter('0') };

function bare(role: Node['role'], name: string): Node {
  return { name, role, loopback: [], routes: [], sysctls: reversePathFilter('0'), pods: [] };
}

function podsOfWorker(worker: number, webPods: number): Pod[] {
  const web = numbers(webPods).map(
    (n): Pod => ({ name: `web-${worker}-${n}`, address: addressPlan.pod(worker, n), app: 'web' }),
  );
  return [
    ...web,
    { name: `dns-${worker}`, address: addressPlan.pod(worker, 153), app: 'dns' },
    { name: `echo-${worker}`, address: addressPlan.pod(worker, 107), app: 'echo' },
  ];
}

/** The node's end first, then the router's, whose device is named after the node. */
function linkEnds(node: string, address: string, router: string, xdp = false): [LinkEnd, LinkEnd] {
  return [
    { node, device: UPLINK, address: `${address}/24`, xdp },
    { node: ROUTER, device: node, address: `${router}/24`, xdp: false },
  ];
}

const viaRouter = (via: string) => ({ to: 'default', via });
const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1);
