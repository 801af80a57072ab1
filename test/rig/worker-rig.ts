/**
 * A worker with a pod in a namespace of its own behind a veth, and two nodes
 * that tunnel to it: lb1 by IPIP, lb2 by GUE.
 *
 *     client1 ── router1 ── worker1 (agent, role node) ── pod1
 *                  │  │
 *                lb1  lb2
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress, wordsOf } from '../../src/net/address.ts';
import { type Agent, startConfigured } from './agent.ts';
import type { ConfigTree } from './agent-config.ts';
import { clangBpf } from './clang-bpf.ts';
import { manifestDirectory, writeManifest } from './manifests.ts';
import { UPLINK } from './one-armed.ts';
import { end, link, node, ROUTES_BOTH } from './plain-topology.ts';
import { createRig, PROJECT, type Rig } from './rig.ts';
import { POD_PORTS } from './server-configs.ts';
import type { Topology } from './topology.ts';

export const WORKER = 'worker1';
export const VIP4 = '10.1.0.2';
export const VIP6 = '2001:db8:1::2';
export const CLIENT4 = '10.10.1.2';
export const CLIENT6 = '2001:db8:10::2';
const POD4 = '10.40.1.2';
const POD6 = '2001:db8:40::2';

function topology(id: string): Topology {
  return {
    id,
    vipRange: '10.1.0.0/24',
    nodes: [
      node('router1', 'router', { sysctls: ROUTES_BOTH }),
      node('client1', 'client', { routes: [{ to: 'default', via: '10.10.1.1' }] }),
      node('lb1', 'client', { routes: [{ to: 'default', via: '10.20.1.1' }] }),
      node('lb2', 'client', { routes: [{ to: 'default', via: '10.20.2.1' }] }),
      node(WORKER, 'worker', {
        routes: [{ to: 'default', via: '10.30.1.1' }],
        sysctls: ROUTES_BOTH,
      }),
      node('pod1', 'worker', {
        routes: [{ to: 'default', via: '10.40.1.1' }],
        pods: [POD4, POD6].map((address) => ({ name: 'web-1', address, app: 'web' })),
      }),
    ],
    links: [
      link(end('client1', UPLINK, `${CLIENT4}/24`), end('router1', 'client1', '10.10.1.1/24')),
      // Room for the outer headers.
      link(end('lb1', UPLINK, '10.20.1.2/24', true), end('router1', 'lb1', '10.20.1.1/24'), 1600),
      link(end('lb2', UPLINK, '10.20.2.2/24', true), end('router1', 'lb2', '10.20.2.1/24'), 1600),
      link(end(WORKER, UPLINK, '10.30.1.2/24', true), end('router1', WORKER, '10.30.1.1/24'), 1600),
      link(end(WORKER, 'pod1', '10.40.1.1/30'), end('pod1', UPLINK, `${POD4}/30`)),
    ],
  };
}

/** IPv6, which the rig's declarations do not have: device, address, and routes by node. */
const IPV6: ReadonlyArray<readonly [node: string, ...commands: string[]]> = [
  [
    'router1',
    'address add 2001:db8:10::1/64 dev client1 nodad',
    'address add 2001:db8:21::1/64 dev lb1 nodad',
  ],
  [
    'router1',
    'address add 2001:db8:22::1/64 dev lb2 nodad',
    'address add 2001:db8:30::1/64 dev worker1 nodad',
  ],
  ['client1', `address add ${CLIENT6}/64 dev ${UPLINK} nodad`, 'route add default via 2001:db8:10::1'],
  ['lb1', `address add 2001:db8:21::2/64 dev ${UPLINK} nodad`, 'route add default via 2001:db8:21::1'],
  ['lb2', `address add 2001:db8:22::2/64 dev ${UPLINK} nodad`, 'route add default via 2001:db8:22::1'],
  [
    WORKER,
    `address add 2001:db8:30::2/64 dev ${UPLINK} nodad`,
    'address add 2001:db8:40::1/64 dev pod1 nodad',
  ],
  [WORKER, 'route add default via 2001:db8:30::1'],
  ['pod1', `address add ${POD6}/64 dev ${UPLINK} nodad`, 'route add default via 2001:db8:40::1'],
  ['router1', 'route add 2001:db8:40::/64 via 2001:db8:30::2'],
];

/** Everything but the agent and the servers. */
export async function createWorkerRig(name: string): Promise<Rig> {
  const rig = await createRig(topology(`${name}-${process.pid}`));
  try {
    for (const [node, ...commands] of IPV6) {
      for (const command of commands) await rig.exec(node, ['ip', '-6', ...command.split(' ')]);
    }
    await rig.exec('router1', ['ip', 'route', 'add', '10.40.1.0/24', 'via', '10.30.1.2']);
    for (const lb of ['lb1', 'lb2'] as const) await putSender(rig, lb);
    await routeVips(rig, 'lb1');
    writeManifest(rig, 'web', MANIFEST);
    return rig;
  } catch (error) {
    await rig.destroy();
    throw error;
  }
}

/** Which node the router sends packets for the VIPs to: what ECMP does when it hashes anew. */
export async function routeVips(rig: Rig, lb: 'lb1' | 'lb2'): Promise<void> {
  const n = lb.at(-1);
  await rig.exec('router1', ['ip', 'route', 'replace', '10.1.0.0/24', 'via', `10.20.${n}.2`]);
  await rig.exec('router1', ['ip', '-6', 'route', 'replace', '2001:db8:1::/64', 'via', `2001:db8:2${n}::2`]);
}

const SOURCES = { lb1: ['10.20.1.2', '2001:db8:21::2'], lb2: ['10.20.2.2', '2001:db8:22::2'] } as const;

/** Makes the node tunnel; from these outer sources, of either family, or its own. more: for the compiler. */
export async function putSender(
  rig: Rig,
  lb: 'lb1' | 'lb2',
  [source4, source6]: readonly [string, string] = SOURCES[lb],
  more: readonly string[] = [],
): Promise<void> {
  const object = rig.path(lb, 'tunnel-sender.bpf.o');
  const word = (text: string) => `${wordsOf(parseAddress(text) ?? 0)[0]}u`;
  const words = (text: string) =>
    wordsOf(parseAddress(text) ?? 0)
      .map((each) => `${each}u`)
      .join();
  const defines = [
    `-DSOURCE4=${word(source4)}`,
    `-DPOD4=${word(POD4)}`,
    `-DVIP4=${word('10.1.0.0')}`,
    `-DSOURCE6=${words(source6)}`,
    `-DPOD6=${words(POD6)}`,
    `-DVIP6=${words('2001:db8:1::')}`,
    ...(lb === 'lb2' ? ['-DGUE_PORT=6080'] : []),
    ...more,
  ];
  await clangBpf(join(PROJECT, 'test/rig/tunnel-sender.bpf.c'), object, defines);
  await rig.exec(lb, ['ip', 'link', 'set', 'dev', UPLINK, 'xdpdrv', 'off']);
  // By bpftool: ip's loader leaves a directory and symbolic links in the BPF file system.
  const pin = `${rig.bpfDirectory(lb)}-sender`;
  await rig.exec(lb, ['bpftool', 'prog', 'load', object, pin, 'type', 'xdp']);
  try {
    await rig.exec(lb, ['bpftool', 'net', 'attach', 'xdpdrv', 'pinned', pin, 'dev', UPLINK]);
  } finally {
    rmSync(pin, { force: true });
  }
}

/** One web service with a VIP of each family; the pod is in a slice of each. */
const MANIFEST = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: demo }
spec:
  externalIPs: [${VIP4}, '${VIP6}']
  ports: [{ name: http, protocol: TCP, port: 80, targetPort: ${POD_PORTS.web} }]
${[POD4, POD6]
  .map(
    (address, index) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-${index}, namespace: demo, labels: { kubernetes.io/service-name: web } }
addressType: ${index === 0 ? 'IPv4' : 'IPv6'}
ports: [{ name: http, protocol: TCP, port: ${POD_PORTS.web} }]
endpoints:
  - addresses: ['${address}']
    nodeName: ${WORKER}
    targetRef: { kind: Pod, namespace: demo, name: web-1 }
`,
  )
  .join('')}`;

/** Starts the worker's agent and waits until it has programmed its pods. */
export async function startWorkerAgent(rig: Rig, attach: 'xdp' | 'xdp-generic' | 'tc'): Promise<Agent> {
  const config: ConfigTree = {
    role: 'node',
    node: WORKER,
    runtimeDirectory: rig.path(WORKER, 'agent'),
    bpfDirectory: rig.bpfDirectory(WORKER),
    source: { manifests: manifestDirectory(rig) },
    vips: { ranges: ['10.1.0.0/24', '2001:db8:1::/64'] },
    devices: [{ name: UPLINK, attach }],
    tunnel: { sources: ['10.20.0.0/16', '2001:db8:21::/64', '2001:db8:22::/64'] },
  };
  return startConfigured(rig, WORKER, config);
}
