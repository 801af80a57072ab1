/** Ways to find a flow's backend, on the rig's LB nodes. */
import { openKernel } from '../../../src/kernel/libbpf.ts';
import type { Agent } from '../../rig/agent.ts';
import { startDsrNode } from '../../rig/dsr-node.ts';
import { type LbName, type PodService, podAddress } from '../../rig/many-pods.ts';
import type { Rig } from '../../rig/rig.ts';
import type { TableOf } from '../consistency/backend-set.ts';
import type { SchemeName } from '../consistency/schemes.ts';
import { FlowTableNode } from './flow-table-node.ts';

/** The nodes of one rig, each with a state of its own. */
export interface RigScheme {
  /** Makes a node ready for packets. Services must be in the manifests. */
  start(lb: LbName): Promise<void>;
  /** All nodes learn what the manifests, which are there already, say now. */
  change(service: PodService): void;
  /** Resolves when all nodes that were started act on it. */
  settled(service: PodService): Promise<void>;
}

export interface SchemeOptions {
  readonly tableOf: TableOf;
  /** Milliseconds, of TCP. */
  readonly window: number;
}

export function rigScheme(name: SchemeName, rig: Rig, { tableOf, window }: SchemeOptions): RigScheme {
  if (name === 'Maglev and a full flow table') return new FlowTables(rig, tableOf);
  // A window of no length: nothing is remembered, and the hash alone decides.
  return new Agents(rig, name === 'pure Maglev' ? 0 : window);
}

class Agents implements RigScheme {
  readonly #agents: Agent[] = [];
  readonly #rig: Rig;
  readonly #window: number;

  constructor(rig: Rig, window: number) {
    this.#rig = rig;
    this.#window = window;
  }

  async start(lb: LbName): Promise<void> {
    const dsr = { window: { tcp: `${this.#window}ms` } };
    this.#agents.push(await startDsrNode(this.#rig, lb, { mode: 'ipip', attach: 'xdp', dsr }));
  }

  change(): void {}

  async settled({ vip, active, terminating }: PodService): Promise<void> {
    const states = new Map([
      ...active.map((pod) => [podAddress(pod), 'active'] as const),
      ...terminating.map((pod) => [podAddress(pod), 'draining'] as const),
    ]);
    for (const agent of this.#agents) {
      await agent.untilServices(`${vip} on ${agent.lb}`, (services) => {
        const { backends = [] } = services.find((service) => service.vip === vip) ?? {};
        const known = backends.filter(({ address, state }) => states.get(address) === state);
        const others = backends.filter(({ address, state }) => !states.has(address) && state === 'active');
        return known.length === states.size && others.length === 0;
      });
    }
  }
}

class FlowTables implements RigScheme {
  readonly #nodes: FlowTableNode[] = [];
  readonly #rig: Rig;
  readonly #tableOf: TableOf;
  readonly #kernel = openKernel();
  #now: PodService | undefined;

  constructor(rig: Rig, tableOf: TableOf) {
    this.#rig = rig;
    this.#tableOf = tableOf;
  }

  async start(lb: LbName): Promise<void> {
    const node = await FlowTableNode.start(this.#rig, lb, this.#kernel);
    this.#nodes.push(node);
    if (this.#now !== undefined) this.#fill(node, this.#now);
  }

  change(service: PodService): void {
    this.#now = service;
    for (const node of this.#nodes) this.#fill(node, service);
  }

  async settled(): Promise<void> {}

  #fill(node: FlowTableNode, { active, terminating, slots }: PodService): void {
    node.change({ active, draining: terminating }, this.#tableOf, slots);
  }
}
