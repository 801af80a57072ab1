/**
 * A cluster whose pod network is not routed: the router knows the nodes only, and pods of one worker reach
 * those of the other by a link of their own. nft on the workers stands for kube-proxy.
 *
 *     client1 ── router1 ── lb1 (agent)
 *                  │  └──── worker1 ── pods1
 *                  │           │ overlay
 *                  └─────── worker2 ── pods2
 */
import { join } from 'node:path';
import type { ServiceView } from '../../../src/api/types.ts';
import { type Agent, startConfigured } from '../../rig/agent.ts';
import { VIP_DEVICE } from '../../rig/bgp.ts';
import type { CommandResult } from '../../rig/command.ts';
import { Load } from '../../rig/load.ts';
import { UPLINK } from '../../rig/one-armed.ts';
import { end, link, node, ROUTES_BOTH } from '../../rig/plain-topology.ts';
import { createRig, type Rig } from '../../rig/rig.ts';
import { program } from '../../rig/servers.ts';
import type { Topology } from '../../rig/topology.ts';
import { vipDeviceKind } from '../../rig/vip-device.ts';
import { waitFor } from '../../rig/wait.ts';
import { ControlPlane } from '../control-plane.ts';

const LB = 'lb1';
const LB_ADDRESS = '10.20.1.2';
const SNAT_POOL = '10.50.1.0/30';
const VIPS = '10.1.0.0/24';
export const CLIENT = 'client1';
/** Where all pods listen, TCP and UDP. */
export const POD_PORT = 8080;

/** InternalIPs, and a pod of each worker. */
export const WORKERS = {
  worker1: { address: '10.30.1.2', pod: '10.40.1.2', pods: 'pods1' },
  worker2: { address: '10.30.2.2', pod: '10.40.2.2', pods: 'pods2' },
} as const;
export type Worker = keyof typeof WORKERS;
const NAMES = Object.keys(WORKERS) as Worker[];

function topology(id: string): Topology {
  const worker = (name: Worker, other: Worker) => [
    node(name, 'worker', {
      sysctls: ROUTES_BOTH,
      routes: [
        { to: 'default', via: WORKERS[name].address.replace(/2$/, '1') },
        { to: `${WORKERS[other].pod}/32`, via: other === 'worker1' ? '10.41.0.1' : '10.41.0.2' },
      ],
    }),
    node(WORKERS[name].pods, 'worker', {
      routes: [{ to: 'default', via: WORKERS[name].pod.replace(/2$/, '1') }],
    }),
  ];
  const links = (name: Worker) => [
    link(
      end(name, UPLINK, `${WORKERS[name].address}/24`),
      end('router1', name, `${WORKERS[name].address.replace(/2$/, '1')}/24`),
    ),
    link(
      end(name, 'pods', `${WORKERS[name].pod.replace(/2$/, '1')}/24`),
      end(WORKERS[name].pods, UPLINK, `${WORKERS[name].pod}/24`),
    ),
  ];
  return {
    id,
    vipRange: VIPS,
    nodes: [
      node('router1', 'router', {
        sysctls: ROUTES_BOTH,
        routes: [
          { to: VIPS, via: LB_ADDRESS },
          { to: SNAT_POOL, via: LB_ADDRESS },
        ],
      }),
      node(CLIENT, 'client', { routes: [{ to: 'default', via: '10.10.1.1' }] }),
      node(LB, 'client', { routes: [{ to: 'default', via: '10.20.1.1' }] }),
      ...worker('worker1', 'worker2'),
      ...worker('worker2', 'worker1'),
    ],
    links: [
      link(end(CLIENT, UPLINK, '10.10.1.2/24'), end('router1', CLIENT, '10.10.1.1/24')),
      link(end(LB, UPLINK, `${LB_ADDRESS}/24`, true), end('router1', LB, '10.20.1.1/24')),
      ...NAMES.flatMap(links),
      link(end('worker1', 'overlay', '10.41.0.1/30'), end('worker2', 'overlay', '10.41.0.2/30')),
    ],
  };
}

export class NodePortCluster {
  private constructor(
    readonly rig: Rig,
    readonly plane: ControlPlane,
    readonly agent: Agent,
  ) {}

  /** Both workers are Nodes, ready; each has a pod that serves, by the worker's name. */
  static async create(name: string): Promise<NodePortCluster> {
    const rig = await createRig(topology(`${name}-${process.pid}`));
    let plane: ControlPlane | undefined;
    try {
      for (const worker of NAMES) {
        const { pods, pod } = WORKERS[worker];
        const command = program('test/rig/load/pod-host.ts', `${POD_PORT}`);
        const host = await new Load<never>(rig.spawn(pods, command, { name: 'pods', pipes: true })).ready();
        await host.ask(`start ${worker} ${pod}`);
      }
      plane = await ControlPlane.start(join(rig.directory, 'cluster'), {
        address: LB_ADDRESS,
        inside: ['nsenter', `--net=/run/netns/${rig.namespace(LB)}`],
      });
      for (const worker of NAMES) setNode(plane, worker, true);
      // The agent is waited for until it serves something.
      plane.kubectl(['create', 'service', 'nodeport', 'first', '--tcp=80:80']);
      plane.kubectl(['patch', 'service', 'first', '--patch', '{"spec":{"externalIPs":["10.1.0.99"]}}']);
      await rig.exec(LB, ['ip', 'link', 'set', 'dev', UPLINK, 'xdpdrv', 'off']);
      const agent = await startConfigured(rig, LB, {
        node: LB,
        runtimeDirectory: rig.path(LB, 'agent'),
        bpfDirectory: rig.bpfDirectory(LB),
        source: { kind: 'kubernetes', kubeconfig: plane.adminKubeconfig, secondLook: '0s' },
        backends: 'node-ports',
        devices: [{ name: UPLINK, attach: 'xdp' }],
        vips: { ranges: [VIPS], device: { name: VIP_DEVICE, kind: await vipDeviceKind(rig, LB) } },
        snat: { addresses: [SNAT_POOL] },
      });
      return new NodePortCluster(rig, plane, agent);
    } catch (error) {
      await plane?.destroy();
      await rig.destroy();
      throw error;
    }
  }

  async destroy(): Promise<void> {
    await this.plane.stop();
    await this.rig.destroy();
  }

  apply(...items: readonly unknown[]): void {
    this.plane.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  }

  setReady(worker: Worker, ready: boolean): void {
    setNode(this.plane, worker, ready);
  }

  /** Endpoints of the Service: the pods of these workers; the slices of its ports. */
  setEndpoints(service: string, workers: readonly Worker[]): void {
    this.apply({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: service, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      ports: ['TCP', 'UDP'].map((protocol) => ({ name: protocol.toLowerCase(), port: POD_PORT, protocol })),
      endpoints: workers.map((worker) => ({
        addresses: [WORKERS[worker].pod],
        conditions: { ready: true },
        nodeName: worker,
      })),
    });
  }

  /** The rules of kube-proxy on each worker: the ports of the Service to these pods, or only those of the node. */
  async proxy(ports: readonly number[], workers: readonly Worker[], isLocal: boolean): Promise<void> {
    for (const here of NAMES) {
      const targets = isLocal ? workers.filter((worker) => worker === here) : workers;
      const choice = targets.map((_, n) => `${n} : goto pod-${n}`).join(', ');
      const match = `ip daddr ${WORKERS[here].address} meta l4proto { tcp, udp } th dport { ${ports.join(', ')} }`;
      const rules = `
table ip kube-proxy
delete table ip kube-proxy
table ip kube-proxy {
${targets.map((worker, n) => `  chain pod-${n} { meta l4proto { tcp, udp } dnat to ${WORKERS[worker].pod}:${POD_PORT}; }`).join('\n')}
  chain prerouting {
    type nat hook prerouting priority dstnat;
    ${targets.length > 0 ? `${match} numgen random mod ${targets.length} vmap { ${choice} };` : ''}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ${isLocal ? '' : 'ct status dnat masquerade;'}
  }
}
`;
      await this.rig.exec(here, ['nft', '-f', '-'], { input: rules });
    }
  }

  /** Until the LB node has exactly these nodes for new connections to all frontends of the Service. */
  async untilActive(service: string, workers: readonly Worker[]): Promise<ServiceView[]> {
    const wanted = [...workers].sort().join();
    const nodesOf = ({ backends }: ServiceView): string =>
      backends
        .filter(({ state }) => state === 'active')
        .map(({ node: name }) => name)
        .sort()
        .join();
    const own = (all: ServiceView[]) => all.filter(({ name }) => name === service);
    const all = await this.agent.untilServices(
      `${service}: nodes ${wanted || 'none'}`,
      (services) => own(services).length > 0 && own(services).every((each) => nodesOf(each) === wanted),
    );
    return own(all);
  }

  async untilProblem(service: string, code: string, wanted: boolean): Promise<void> {
    await waitFor(`${service}: ${code} ${wanted ? 'is' : 'is not'} a problem`, async () => {
      const { problems } = await this.agent.status();
      return problems.some((each) => each.code === code && each.object?.name === service) === wanted;
    });
  }

  curl(vip: string, path = '/'): Promise<CommandResult> {
    return this.rig.exec(CLIENT, ['curl', '-sS', '-m', '2', `http://${vip}${path}`], { mayFail: true });
  }

  /** Which pods answer so many new connections. Throws when one fails. */
  async podsThatAnswer(vip: string, connections = 24): Promise<string[]> {
    const pods = new Set<string>();
    for (let n = 0; n < connections; n++) {
      const { code, stdout, stderr } = await this.curl(vip);
      if (code !== 0) throw new Error(`curl ends with ${code}: ${stderr}`);
      pods.add(stdout.trim());
    }
    return [...pods].sort();
  }

  /** One datagram from a new port: what comes back. */
  async datagram(vip: string): Promise<string> {
    const script = `exec 3<>/dev/udp/${vip}/80; echo who >&3; head -1 <&3`;
    const { stdout } = await this.rig.exec(CLIENT, ['timeout', '2', 'bash', '-c', script], { mayFail: true });
    return stdout.trim();
  }
}

/** As kubelet writes it. */
function setNode(plane: ControlPlane, worker: Worker, ready: boolean): void {
  const named = { apiVersion: 'v1', kind: 'Node', metadata: { name: worker } };
  const status = {
    addresses: [
      { type: 'Hostname', address: worker },
      { type: 'InternalIP', address: WORKERS[worker].address },
    ],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }],
  };
  const put = (object: unknown, ...flags: string[]) =>
    plane.kubectl(
      ['apply', '--server-side', '--force-conflicts', ...flags, '-f', '-'],
      JSON.stringify(object),
    );
  put(named);
  put({ ...named, status }, '--subresource=status');
}
