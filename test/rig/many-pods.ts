/**
 * Up to three LB nodes in front of a worker with hundreds of pods, all of one
 * namespace, so that a packet for the wrong pod is reset like in a cluster.
 *
 *     client1 ── router1 ── worker1 (agent, role node) ── pods
 *                 │ │ │
 *          lb1  lb2  lb3 (agents, IPIP; lb2 GUE)
 */
import { stringify } from 'yaml';
import { writeManifest } from './manifests.ts';
import { UPLINK } from './one-armed.ts';
import { end, link, node, ROUTES_BOTH } from './plain-topology.ts';
import { createRig, type Rig } from './rig.ts';
import { POD_PORTS } from './server-configs.ts';
import { program } from './servers.ts';
import type { Topology } from './topology.ts';
import { waitFor } from './wait.ts';
import { WORKER } from './worker-rig.ts';

export const CLIENT = 'client1';
export const ROUTER = 'router1';
/** The namespace of all pods. */
export const PODS = 'pods';
/** How many pods there are, and client addresses. */
export const MOST_PODS = 240;
const CLIENTS = 30;

/** The port of every service here. */
export const PORT = 7;

export type LbName = 'lb1' | 'lb2' | 'lb3';

export const podAddress = (n: number): string => `10.40.1.${n + 1}`;
/** An address of its own for each load: what broke in the one before is then in nobody's way. */
export const clientAddress = (n: number): string => `10.10.1.${10 + n}`;

function topology(id: string, lbs: readonly LbName[]): Topology {
  const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);
  return {
    id,
    vipRange: '10.1.0.0/24',
    nodes: [
      node(ROUTER, 'router', {
        sysctls: { ...ROUTES_BOTH, 'net.ipv4.fib_multipath_hash_policy': '1' },
        routes: [{ to: '10.40.0.0/16', via: '10.30.1.2' }],
      }),
      node(CLIENT, 'client', {
        loopback: upTo(CLIENTS).map((n) => `${clientAddress(n)}/32`),
        routes: [{ to: 'default', via: '10.10.1.1' }],
      }),
      ...lbs.map((lb) => node(lb, 'client', { routes: [{ to: 'default', via: `10.20.${lb.at(-1)}.1` }] })),
      node(WORKER, 'worker', {
        sysctls: ROUTES_BOTH,
        routes: [
          { to: 'default', via: '10.30.1.1' },
          { to: '10.40.1.0/24', via: '10.40.0.2' },
        ],
      }),
      node(PODS, 'worker', {
        loopback: upTo(MOST_PODS).map((n) => `${podAddress(n)}/32`),
        routes: [{ to: 'default', via: '10.40.0.1' }],
      }),
    ],
    links: [
      link(end(CLIENT, UPLINK, '10.10.1.2/24'), end(ROUTER, CLIENT, '10.10.1.1/24')),
      // Room for the outer headers.
      ...lbs.map((lb) => {
        const n = lb.at(-1);
        return link(end(lb, UPLINK, `10.20.${n}.2/24`, true), end(ROUTER, lb, `10.20.${n}.1/24`), 1600);
      }),
      link(end(WORKER, UPLINK, '10.30.1.2/24', true), end(ROUTER, WORKER, '10.30.1.1/24'), 1600),
      link(end(WORKER, PODS, '10.40.0.1/30'), end(PODS, UPLINK, '10.40.0.2/30')),
    ],
  };
}

/** Without agents, with the server of all pods. Packets for VIPs go to the first LB node. */
export async function createManyPods(name: string, lbs: readonly LbName[]): Promise<Rig> {
  const rig = await createRig(topology(`${name}-${process.pid}`, lbs));
  try {
    await routeOver(rig, lbs.slice(0, 1));
    const command = program('test/rig/load/echo-server.ts', '0.0.0.0', `${POD_PORTS.echo}`);
    const server = rig.spawn(PODS, command, { name: 'echo' });
    await waitFor('the pods listen', async () => server.output().includes('listening'), {
      evidence: async () => server.output(),
    });
    return rig;
  } catch (error) {
    await rig.destroy();
    throw error;
  }
}

/** Packets for VIPs go over these nodes, spread by their 5-tuple: what a router with ECMP does. */
export async function routeOver(rig: Rig, lbs: readonly LbName[]): Promise<void> {
  const hops = lbs.flatMap((lb) => ['nexthop', 'via', `10.20.${lb.at(-1)}.2`]);
  await rig.exec(ROUTER, ['ip', 'route', 'replace', '10.1.0.0/24', ...hops]);
}

export interface PodService {
  readonly name: string;
  readonly vip: string;
  readonly slots: number;
  /** Numbers of pods. */
  readonly active: readonly number[];
  /** Pods that terminate, and serve what they have. */
  readonly terminating: readonly number[];
}

/** The Service and its slice as the agents read them. Slices hold at most 100 endpoints in Kubernetes. */
export function putPodService(rig: Rig, service: PodService): void {
  const { name, vip, slots, active, terminating } = service;
  const ports = [{ name: 'echo', protocol: 'TCP', port: PORT, targetPort: POD_PORTS.echo }];
  const endpoint = (conditions: object) => (pod: number) => ({
    addresses: [podAddress(pod)],
    conditions,
    nodeName: WORKER,
    targetRef: { kind: 'Pod', namespace: 'demo', name: `pod-${pod}` },
  });
  const endpoints = [
    ...active.map(endpoint({ ready: true, serving: true, terminating: false })),
    ...terminating.map(endpoint({ ready: false, serving: true, terminating: true })),
  ];
  const slices = Array.from({ length: Math.ceil(endpoints.length / 100) }, (_, n) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${n}`,
      namespace: 'demo',
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: 'IPv4',
    ports: [{ name: 'echo', protocol: 'TCP', port: POD_PORTS.echo }],
    endpoints: endpoints.slice(100 * n, 100 * n + 100),
  }));
  const documents = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'demo', annotations: { 'l4lb.io/slots': String(slots) } },
      spec: { type: 'ClusterIP', externalIPs: [vip], ports },
    },
    ...slices,
  ];
  writeManifest(rig, name, documents.map((document) => stringify(document)).join('---\n'));
}
