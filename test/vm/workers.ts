/**
 * Workers with agents of role node in the VM: worker1 ends tunnels on XDP, worker2 on tc. Their pods have
 * addresses on the worker's loopback device, as host-network pods have.
 */
import { stringify } from 'yaml';
import { type Agent, startConfigured } from '../rig/agent.ts';
import { manifestDirectory, writeManifest } from '../rig/manifests.ts';
import { addressPlan, podsOf, ROUTER, UPLINK, VIP_RANGE } from '../rig/one-armed.ts';
import type { Rig } from '../rig/rig.ts';
import { POD_PORTS } from '../rig/server-configs.ts';
import type { Pod } from '../rig/topology.ts';

export interface VmWorker {
  readonly node: string;
  readonly attach: 'xdp' | 'tc';
}

export const WORKERS: readonly VmWorker[] = [
  { node: 'worker1', attach: 'xdp' },
  { node: 'worker2', attach: 'tc' },
];

/** A service whose only backend is a web pod and a DNS pod of one worker. */
export interface TunnelledService {
  readonly worker: VmWorker;
  readonly mode: 'ipip' | 'gue';
  readonly vip: string;
}

export const TUNNELLED: readonly TunnelledService[] = WORKERS.flatMap((worker, at) =>
  (['ipip', 'gue'] as const).map(
    (mode, n): TunnelledService => ({ worker, mode, vip: `10.1.0.${41 + 2 * at + n}` }),
  ),
);

/** A pod of the worker that the service leads to. */
export function podBehind(rig: Rig, { worker }: TunnelledService, app: 'web' | 'dns'): Pod {
  const number = Number(worker.node.at(-1));
  const pod = podsOf(rig.topology, app).find(({ address }) =>
    address.startsWith(addressPlan.pod(number, 0).slice(0, -1)),
  );
  if (pod === undefined) throw new Error(`${worker.node} has no ${app} pod`);
  return pod;
}

export function writeTunnelledServices(rig: Rig): void {
  const documents = TUNNELLED.flatMap((service) => manifestsOf(rig, service));
  writeManifest(rig, 'tunnelled', documents.map((each) => stringify(each)).join('---\n'));
}

function manifestsOf(rig: Rig, service: TunnelledService): object[] {
  const { mode, vip, worker } = service;
  const name = `${worker.node}-${mode}`;
  const ports = [
    { app: 'web', name: 'http', protocol: 'TCP', port: 80, targetPort: POD_PORTS.web },
    { app: 'dns', name: 'dns', protocol: 'UDP', port: 53, targetPort: POD_PORTS.dns },
  ] as const;
  const slices = ports.map(({ app, targetPort, ...port }) => {
    const pod = podBehind(rig, service, app);
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-${app}`, namespace: 'demo', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ ...port, port: targetPort }],
      endpoints: [
        {
          addresses: [pod.address],
          nodeName: worker.node,
          targetRef: { kind: 'Pod', namespace: 'demo', name: pod.name },
        },
      ],
    };
  });
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'demo', annotations: { 'l4lb.io/mode': mode } },
      spec: { externalIPs: [vip], ports: ports.map(({ app, ...port }) => port) },
    },
    ...slices,
  ];
}

/** @param sources outer sources of the LB node. */
export async function startVmWorker(
  rig: Rig,
  { node, attach }: VmWorker,
  sources: readonly string[],
  mtu: number,
): Promise<Agent> {
  // Room for the outer headers.
  await rig.exec(ROUTER, ['ip', 'link', 'set', 'dev', node, 'mtu', `${mtu}`]);
  await rig.exec(node, ['ip', 'link', 'set', 'dev', UPLINK, 'mtu', `${mtu}`]);
  return startConfigured(rig, node, {
    role: 'node',
    node,
    runtimeDirectory: rig.path(node, 'agent'),
    bpfDirectory: rig.bpfDirectory(node),
    source: { manifests: manifestDirectory(rig) },
    vips: { ranges: [VIP_RANGE] },
    devices: [{ name: UPLINK, attach }],
    tunnel: { sources },
  });
}
