/**
 * What kubelet and a Deployment's controller do, for pods in the rig: Pod objects in the API server, real
 * servers behind them, readiness, and the order of a proper termination.
 */
import { Load } from '../../rig/load.ts';
import { PODS, podAddress } from '../../rig/many-pods.ts';
import type { Rig } from '../../rig/rig.ts';
import { program } from '../../rig/servers.ts';
import { WORKER } from '../../rig/worker-rig.ts';
import type { ControlPlane } from '../control-plane.ts';

/** Where all pods listen, TCP and UDP. */
export const POD_PORT = 8080;

export interface ClusterPod {
  readonly name: string;
  /** Of the label `app`. */
  readonly app: string;
  readonly address: string;
}

/** The state that kubelet writes. A failed pod is one that was evicted. */
type PodState = 'ready' | 'unready' | 'failed';

export class ClusterPods {
  readonly #running = new Map<string, ClusterPod>();
  #made = 0;

  private constructor(
    readonly rig: Rig,
    readonly plane: ControlPlane,
    readonly host: Load<never>,
  ) {}

  static async open(rig: Rig, plane: ControlPlane): Promise<ClusterPods> {
    const command = program('test/rig/load/pod-host.ts', `${POD_PORT}`);
    const spawned = rig.spawn(PODS, command, { name: 'pod-host', pipes: true });
    const host = await new Load<never>(spawned).ready();
    // Endpoints are only made of pods whose node is known.
    plane.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Node', ...named(WORKER) }));
    return new ClusterPods(rig, plane, host);
  }

  /** Those of an app, oldest first. */
  of(app: string): ClusterPod[] {
    return [...this.#running.values()].filter((pod) => pod.app === app);
  }

  /** New pods whose servers listen, in the state. */
  async start(app: string, count: number, state: PodState = 'ready'): Promise<ClusterPod[]> {
    const pods = Array.from({ length: count }, () => {
      const number = this.#made++;
      return { app, name: `${app}-${number}`, address: podAddress(number) };
    });
    for (const pod of pods) {
      await this.host.ask(`start ${pod.name} ${pod.address}`);
      this.#running.set(pod.name, pod);
    }
    this.#apply(pods.map(({ name }) => ({ ...POD, metadata: meta(name, app), spec: SPEC })));
    this.set(pods, state);
    return pods;
  }

  /** Readiness as kubelet writes it; the server does not change. */
  set(pods: readonly ClusterPod[], state: PodState): void {
    const items = pods.map(({ name, app, address }) => ({
      ...POD,
      metadata: meta(name, app),
      status: {
        phase: state === 'failed' ? 'Failed' : 'Running',
        conditions: [{ type: 'Ready', status: state === 'ready' ? 'True' : 'False' }],
        podIP: address,
        podIPs: [{ ip: address }],
      },
    }));
    this.#apply(items, '--subresource=status');
  }

  /** The API object is being deleted; the server goes on, as during a preStop hook. */
  beginTermination(pods: readonly ClusterPod[]): void {
    this.plane.kubectl(['delete', 'pod', '--wait=false', '--grace-period=600', ...names(pods)]);
  }

  /** SIGTERM, end, and no object and no address any more. Resolves with how many connections were cut. */
  async endTermination(pods: readonly ClusterPod[]): Promise<number> {
    let cut = 0;
    for (const { name } of pods) {
      cut += await this.host.ask<number>(`quit ${name}`);
      this.#running.delete(name);
    }
    this.plane.kubectl(['delete', 'pod', '--force', '--grace-period=0', ...names(pods)]);
    for (const { address } of pods) {
      await this.rig.exec(PODS, ['ip', 'address', 'delete', `${address}/32`, 'dev', 'lo']);
    }
    return cut;
  }

  #apply(items: readonly unknown[], ...flags: string[]): void {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    this.plane.kubectl(['apply', '--server-side', '--force-conflicts', ...flags, '-f', '-'], list);
  }
}

const POD = { apiVersion: 'v1', kind: 'Pod' };
const SPEC = {
  nodeName: WORKER,
  containers: [{ name: 'web', image: 'web', ports: [{ name: 'http', containerPort: POD_PORT }] }],
};

const named = (name: string) => ({ metadata: { name } });
const meta = (name: string, app: string) => ({ name, namespace: 'default', labels: { app } });
const names = (pods: readonly ClusterPod[]): string[] => pods.map(({ name }) => name);
