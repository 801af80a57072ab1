/**
 * A cluster with everything real but kubelet: API server, etcd and the EndpointSlice controller on the worker,
 * agents on XDP on it and on the LB nodes, pods that serve, and a client behind a router.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceView } from '../../../src/api/types.ts';
import { type Agent, startConfigured } from '../../rig/agent.ts';
import type { ConfigTree } from '../../rig/agent-config.ts';
import { VIP_DEVICE } from '../../rig/bgp.ts';
import type { CommandResult } from '../../rig/command.ts';
import { CLIENT, createManyPods, type LbName, ROUTER, routeOver } from '../../rig/many-pods.ts';
import { UPLINK } from '../../rig/one-armed.ts';
import type { Rig } from '../../rig/rig.ts';
import { vipDeviceKind } from '../../rig/vip-device.ts';
import { waitFor } from '../../rig/wait.ts';
import { WORKER } from '../../rig/worker-rig.ts';
import { ControlPlane } from '../control-plane.ts';
import type { LiveService } from '../service-view.ts';
import { type ClusterPod, ClusterPods } from './cluster-pods.ts';

/** Any 16 hexadecimal digits do, as long as all nodes have the same. */
const SEED = '6b75626520637573';
const SEED_FILE = 'hash-seed';
const WORKER_ADDRESS = '10.30.1.2';
const VIPS = '10.1.0.0/24';

/** Of an LB node's own. */
const lbAddress = (lb: LbName): string => `10.20.${lb.at(-1)}.2`;
const snatPool = (lb: LbName): string => `10.50.${lb.at(-1)}.0/30`;

export class Cluster {
  /** The LB nodes that are there; the first one is asked where all know the same. */
  readonly #balancers = new Map<LbName, Agent>();
  #worker: Agent | undefined;

  private constructor(
    readonly rig: Rig,
    readonly plane: ControlPlane,
    readonly pods: ClusterPods,
  ) {}

  /** Name: short, for the rig's id. The manifests are applied before the agents start, which need a Service. */
  static async create(
    name: string,
    prepare: (cluster: Cluster) => Promise<void>,
    lbs: readonly LbName[] = ['lb1'],
  ): Promise<Cluster> {
    const rig = await createManyPods(name, lbs);
    let plane: ControlPlane | undefined;
    try {
      plane = await ControlPlane.start(join(rig.directory, 'cluster'), {
        address: WORKER_ADDRESS,
        inside: ['nsenter', `--net=/run/netns/${rig.namespace(WORKER)}`],
      });
      writeFileSync(join(rig.directory, SEED_FILE), `${SEED}\n`, { mode: 0o600 });
      const cluster = new Cluster(rig, plane, await ClusterPods.open(rig, plane));
      await prepare(cluster);
      for (const lb of lbs) {
        await rig.exec(ROUTER, ['ip', 'route', 'add', snatPool(lb), 'via', lbAddress(lb)]);
        await rig.exec(lb, ['ip', 'link', 'set', 'dev', UPLINK, 'xdpdrv', 'off']);
        await cluster.startBalancer(lb);
      }
      await cluster.#startWorker(lbs);
      await routeOver(rig, lbs);
      return cluster;
    } catch (error) {
      await plane?.destroy();
      await rig.destroy();
      throw error;
    }
  }

  /** On a node that has none, or whose agent has ended. */
  async startBalancer(lb: LbName): Promise<void> {
    const { rig } = this;
    const agent = await startConfigured(rig, lb, {
      ...this.#common(lb),
      vips: { ranges: [VIPS], device: { name: VIP_DEVICE, kind: await vipDeviceKind(rig, lb) } },
      snat: { addresses: [snatPool(lb)] },
      hash: { seedFile: join(rig.directory, SEED_FILE) },
      dsr: { source: [`10.20.${lb.at(-1)}.128/25`] },
      controller: {
        enabled: true,
        pools: [{ name: 'public', addresses: ['10.1.0.16-10.1.0.99'] }],
        lease: { namespace: 'default', name: 'l4lb', duration: '3s' },
      },
    });
    this.#balancers.set(lb, agent);
  }

  async #startWorker(lbs: readonly LbName[]): Promise<void> {
    this.#worker = await startConfigured(this.rig, WORKER, {
      ...this.#common(WORKER),
      role: 'node',
      vips: { ranges: [VIPS] },
      tunnel: { sources: lbs.map((lb) => `10.20.${lb.at(-1)}.0/24`) },
    });
  }

  #common(node: string): ConfigTree {
    return {
      node,
      runtimeDirectory: this.rig.path(node, 'agent'),
      bpfDirectory: this.rig.bpfDirectory(node),
      source: { kind: 'kubernetes', kubeconfig: this.plane.adminKubeconfig },
      devices: [{ name: UPLINK, attach: 'xdp' }],
    };
  }

  /** The node is gone from one moment to the next: its link, and its agent by SIGKILL. */
  async loseBalancer(lb: LbName): Promise<void> {
    await this.rig.exec(ROUTER, ['ip', 'link', 'set', 'dev', lb, 'down']);
    await this.#balancers.get(lb)?.process.stop('SIGKILL');
    this.#balancers.delete(lb);
  }

  /** Its link is there again; its agent is started apart. */
  async plugBalancer(lb: LbName): Promise<void> {
    await this.rig.exec(ROUTER, ['ip', 'link', 'set', 'dev', lb, 'up']);
    await this.rig.exec(ROUTER, ['ip', 'route', 'replace', snatPool(lb), 'via', lbAddress(lb)]);
  }

  balancer(lb?: LbName): Agent {
    const agent = lb === undefined ? [...this.#balancers.values()][0] : this.#balancers.get(lb);
    if (agent === undefined) throw new Error(`there is no agent on ${lb ?? 'any LB node'}`);
    return agent;
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

  /** Until the LB nodes have this programmed: the Service's frontends, none if it serves none. */
  async untilServed(name: string, what: string, test: (frontends: ServiceView[]) => boolean): Promise<void> {
    for (const lb of this.#balancers.values()) {
      await lb.untilServices(`${name}: ${what}`, (all) => test(all.filter((each) => each.name === name)));
    }
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
    await this.#worker?.untilServices(`${name} on the worker`, (all) => {
      const own = all.filter((each) => each.name === name).flatMap(({ backends }) => backends);
      return wanted.every((address) => own.some((each) => each.address === address));
    });
  }

  /** Until the LB node says this of the Service, or says it no more. */
  async untilProblem(name: string, code: string, wanted: boolean): Promise<void> {
    const said = async (): Promise<boolean> => {
      const { problems } = await this.balancer().status();
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
