/**
 * A cluster with everything real but kubelet: API server, etcd and the EndpointSlice controller on the LB node,
 * agents on XDP on it and on the worker, pods that serve, and a client behind a router.
 */
import { join } from 'node:path';
import type { ServiceView } from '../../../src/api/types.ts';
import { type Agent, startConfigured } from '../../rig/agent.ts';
import type { ConfigTree } from '../../rig/agent-config.ts';
import { VIP_DEVICE } from '../../rig/bgp.ts';
import type { CommandResult } from '../../rig/command.ts';
import { CLIENT, createManyPods, ROUTER } from '../../rig/many-pods.ts';
import { UPLINK } from '../../rig/one-armed.ts';
import type { Rig } from '../../rig/rig.ts';
import { vipDeviceKind } from '../../rig/vip-device.ts';
import { waitFor } from '../../rig/wait.ts';
import { WORKER } from '../../rig/worker-rig.ts';
import { ControlPlane } from '../control-plane.ts';
import type { LiveService } from '../service-view.ts';
import { type ClusterPod, ClusterPods } from './cluster-pods.ts';

const LB = 'lb1';
const LB_ADDRESS = '10.20.1.2';
const SNAT_POOL = '10.50.1.0/30';
const VIPS = '10.1.0.0/24';

export class Cluster {
  readonly #agents: Agent[] = [];

  private constructor(
    readonly rig: Rig,
    readonly plane: ControlPlane,
    readonly pods: ClusterPods,
  ) {}

  /** Name: short, for the rig's id. The manifests are applied before the agents start, which need a Service. */
  static async create(name: string, prepare: (cluster: Cluster) => Promise<void>): Promise<Cluster> {
    const rig = await createManyPods(name, [LB]);
    let plane: ControlPlane | undefined;
    try {
      await rig.exec(ROUTER, ['ip', 'route', 'add', SNAT_POOL, 'via', LB_ADDRESS]);
      plane = await ControlPlane.start(join(rig.directory, 'cluster'), {
        address: LB_ADDRESS,
        inside: ['nsenter', `--net=/run/netns/${rig.namespace(LB)}`],
      });
      const cluster = new Cluster(rig, plane, await ClusterPods.open(rig, plane));
      await prepare(cluster);
      await cluster.#startAgents();
      return cluster;
    } catch (error) {
      await plane?.destroy();
      await rig.destroy();
      throw error;
    }
  }

  async #startAgents(): Promise<void> {
    const { rig, plane } = this;
    await rig.exec(LB, ['ip', 'link', 'set', 'dev', UPLINK, 'xdpdrv', 'off']);
    const both = (node: string): ConfigTree => ({
      node,
      runtimeDirectory: rig.path(node, 'agent'),
      bpfDirectory: rig.bpfDirectory(node),
      source: { kind: 'kubernetes', kubeconfig: plane.adminKubeconfig },
      devices: [{ name: UPLINK, attach: 'xdp' }],
    });
    this.#agents.push(
      await startConfigured(rig, LB, {
        ...both(LB),
        vips: { ranges: [VIPS], device: { name: VIP_DEVICE, kind: await vipDeviceKind(rig, LB) } },
        snat: { addresses: [SNAT_POOL] },
        dsr: { source: ['10.20.1.128/25'] },
        controller: {
          enabled: true,
          pools: [{ name: 'public', addresses: ['10.1.0.16-10.1.0.99'] }],
          lease: { namespace: 'default', name: 'l4lb', duration: '3s' },
        },
      }),
      await startConfigured(rig, WORKER, {
        ...both(WORKER),
        role: 'node',
        vips: { ranges: [VIPS] },
        tunnel: { sources: ['10.20.0.0/16'] },
      }),
    );
  }

  async destroy(): Promise<void> {
    // The server's files are in the rig's directory.
    await this.plane.stop();
    await this.rig.destroy();
  }

  apply(...items: readonly unknown[]): void {
    this.plane.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  }

  patch(name: string, patch: unknown): void {
    this.plane.kubectl(['patch', 'service', name, '--type=merge', '--patch', JSON.stringify(patch)]);
  }

  read(name: string): LiveService {
    return JSON.parse(this.plane.kubectl(['get', 'service', name, '--output', 'json'])) as LiveService;
  }

  /** The address that the agent on the LB node gives to the Service. */
  async addressOf(name: string): Promise<string> {
    return waitFor(
      `${name} has an address`,
      async () => this.read(name).status.loadBalancer.ingress?.[0]?.ip,
      {
        interval: 200,
      },
    );
  }

  /** Until the LB node has this programmed: the Service's frontends, none if it serves none. */
  async untilServed(name: string, what: string, test: (frontends: ServiceView[]) => boolean): Promise<void> {
    const [lb] = this.#agents;
    await lb?.untilServices(`${name}: ${what}`, (all) => test(all.filter((each) => each.name === name)));
  }

  /** Until exactly these pods get its new connections. */
  async untilActive(name: string, pods: readonly ClusterPod[]): Promise<void> {
    const wanted = pods.map(({ address }) => address).sort();
    await this.untilServed(
      name,
      `pods ${wanted.join(', ')}`,
      (frontends) =>
        frontends.every(({ backends }) => activeOf(backends).join() === wanted.join()) &&
        frontends.length > 0,
    );
    // A worker has no frontend at all of a Service without pods on it.
    const [, worker] = this.#agents;
    await worker?.untilServices(`${name} on the worker`, (all) => {
      const own = all.filter((each) => each.name === name).flatMap(({ backends }) => backends);
      return wanted.every((address) => own.some((each) => each.address === address));
    });
  }

  /** Until the LB node says this of the Service, or says it no more. */
  async untilProblem(name: string, code: string, wanted: boolean): Promise<void> {
    const [lb] = this.#agents;
    const said = async (): Promise<boolean> => {
      const { problems = [] } = (await lb?.status()) ?? {};
      return problems.some((each) => each.code === code && each.object?.name === name) === wanted;
    };
    await waitFor(`${name}: ${code} ${wanted ? 'is' : 'is not'} a problem`, said);
  }

  /** curl of the client; from one of its addresses. */
  curl(vip: string, { port = 80, path = '/', from }: CurlOptions = {}): Promise<CommandResult> {
    const source = from === undefined ? [] : ['--interface', from];
    const command = ['curl', '-sS', '-m', '2', ...source, `http://${vip}:${port}${path}`];
    return this.rig.exec(CLIENT, command, { mayFail: true });
  }

  /** Answers of so many new connections, each pod once. Throws when one fails. */
  async podsThatAnswer(vip: string, options: CurlOptions & { connections?: number } = {}): Promise<string[]> {
    const pods = new Set<string>();
    for (let n = 0; n < (options.connections ?? 20); n++) {
      const { code, stdout, stderr } = await this.curl(vip, options);
      if (code !== 0) throw new Error(`curl ends with ${code}: ${stderr}`);
      pods.add(stdout.trim());
    }
    return [...pods].sort();
  }

  /** One datagram from a new port: what comes back, or what the client's kernel says. */
  async datagram(vip: string, port = 80): Promise<string> {
    const script = `exec 3<>/dev/udp/${vip}/${port}; echo who >&3; head -1 <&3`;
    const { stdout, stderr } = await this.rig.exec(CLIENT, ['timeout', '2', 'bash', '-c', script], {
      mayFail: true,
    });
    return stdout.trim() || stderr.trim() || 'no answer';
  }
}

interface CurlOptions {
  readonly port?: number;
  readonly path?: string;
  readonly from?: string;
}

const activeOf = (backends: ServiceView['backends']): string[] =>
  backends
    .filter(({ state }) => state === 'active')
    .map(({ address }) => address)
    .sort();
