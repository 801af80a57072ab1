/**
 * A load balancer without a kernel: the agent's own dataplane code on maps in memory, and for packets the
 * model of tracked slots on what these maps hold.
 */
import { Applier, type ApplyReport } from '../../src/dataplane/apply.ts';
import type { SettleReport } from '../../src/dataplane/settle-windows.ts';
import { kernelStores, type Stores } from '../../src/dataplane/stores.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import {
  backend,
  backendStateNames,
  flowKey4,
  flowState,
  flowStateNames,
  KEY_OF_CLIENT,
  rememberedFlow,
  type Service,
  serviceFlag,
  service as serviceLayout,
} from '../../src/layout/generated.ts';
import { ServiceHash } from '../../src/maglev/service-hash.ts';
import type { DesiredService } from '../../src/services/desired-state.ts';
import { checkInvariants, liveServices } from '../dataplane/invariants.ts';
import { GraceWatch, Killed, killAfter } from '../dataplane/watched-stores.ts';
import { flowHash } from '../model/choose-backend.ts';
import type { FlowState } from '../model/state.ts';
import {
  type Choice,
  chooseTracked,
  type FlowName,
  isTracked,
  type OwnerTable,
  ownerAt,
  type RememberedFlow,
} from '../model/tracked.ts';
import { FakeKernel, type FakeSizes } from '../unit/dataplane/fake-kernel.ts';

export const HZ = 10;
export const SEED = 0x1234_5678_9abc_def0n;
const SIZES = [0, 251, 1021, 4099, 16381, 65537, 131071];
const seconds = (count: number): number => count * HZ;

export const TIMEOUTS: Readonly<Record<FlowState, number>> = {
  FLOW_FREE: 0,
  FLOW_CLAIMED: seconds(1),
  FLOW_SYN: seconds(60),
  FLOW_ESTABLISHED: seconds(7200),
  FLOW_FIN_CLIENT: seconds(120),
  FLOW_FIN_BACKEND: seconds(120),
  FLOW_CLOSED: seconds(60),
  FLOW_UDP: seconds(30),
  FLOW_UDP_REPLIED: seconds(60),
};

export interface Tuple {
  readonly client: number;
  readonly vip: number;
  readonly clientPort: number;
  readonly vipPort: number;
  readonly protocol: number;
}

export type PacketKind = 'syn' | 'data' | 'fin' | 'rst';

/** Where a packet went. */
export interface Sent extends Choice {
  /** `10.0.0.1:80`; undefined: dropped. */
  readonly endpoint: string | undefined;
}

export class SimulatedNode {
  readonly kernel: FakeKernel;
  readonly clock: { hz: number; now: () => number };
  #applier: Applier;
  readonly #remembered: number;

  readonly #isWatched: boolean;

  /** watched: after every store all that maps must hold is checked, which takes most of the time. */
  constructor(clock: { now: number }, sizes: FakeSizes = {}, { watched = true } = {}) {
    this.#isWatched = watched;
    this.clock = { hz: HZ, now: () => clock.now >>> 0 };
    this.#remembered = sizes.remembered ?? 4096;
    this.kernel = new FakeKernel(sizes);
    this.#applier = this.#start();
  }

  apply(services: readonly DesiredService[]): Promise<ApplyReport> {
    return this.#applier.apply(services, { ownAddresses: [], deletions: true });
  }

  async settle(): Promise<SettleReport | undefined> {
    const timeouts = Array.from({ length: flowState.FLOW_STATES }, (_, state) => {
      return TIMEOUTS[flowStateNames[state] as FlowState];
    });
    const report = await this.#applier.settle({ hash: new ServiceHash(SEED), timeouts });
    await this.#applier.releaseFormer(() => report?.isNamed ?? (() => false));
    return report;
  }

  /** A new agent on the maps that the old one left. */
  restart(): void {
    this.#applier = this.#start();
  }

  /** The agent is killed before its n-th store; false when it had done all before. */
  async applyKilled(services: readonly DesiredService[], stores: number): Promise<boolean> {
    this.#applier = this.#start(stores);
    try {
      await this.apply(services);
      return false;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      return true;
    } finally {
      this.restart();
    }
  }

  /** takesToken: whether the budget for remembering has one more. */
  send(tuple: Tuple, kind: PacketKind, sequence: number, takesToken = true): Sent {
    const service = this.#find(tuple);
    if (service === undefined) return { backend: undefined, endpoint: undefined, rule: 'no table' };
    const { protocol } = tuple;
    const packet = {
      hash: hashOf(tuple, service),
      flow: keyOf(tuple),
      client: keyOf({ ...tuple, clientPort: 0, protocol: tuple.protocol | KEY_OF_CLIENT }),
      protocol: protocol === 6 ? ('TCP' as const) : ('UDP' as const),
      syn: protocol === 6 && kind === 'syn',
      fin: kind === 'fin',
      rst: kind === 'rst',
      sequence,
    };
    const remembered = this.#load([packet.flow, packet.client]);
    const choice = chooseTracked(
      {
        now: this.clock.now(),
        hz: HZ,
        timeout: TIMEOUTS,
        remembered,
        capacity: remembered.size + this.#remembered - this.entries,
        backend: (index) => this.#backend(index),
        takeToken: () => takesToken,
      },
      service,
      packet,
    );
    this.#store([packet.flow, packet.client], remembered);
    return { ...choice, endpoint: choice.backend === undefined ? undefined : this.#endpoint(choice.backend) };
  }

  /** What the live table has for a flow: its owner, `10.0.0.1:80`, and whether the slot is tracked. */
  slotOf(tuple: Tuple): { readonly owner: string | undefined; readonly isTracked: boolean } {
    const service = this.#find(tuple);
    if (service?.table === undefined) return { owner: undefined, isTracked: false };
    const hash = hashOf(tuple, service);
    const owner = ownerAt(service.table, hash);
    return { owner: this.#endpoint(owner), isTracked: isTracked(service.table, hash) };
  }

  /** Owners of all slots of a frontend's live table. */
  ownersOf(tuple: Tuple): string[] {
    const { table } = this.#find(tuple) ?? {};
    return Array.from(table?.slots ?? [], (slot) => this.#endpoint((table?.block ?? 0) + (slot & 0x7fff)));
  }

  /** Flows that are remembered. */
  get entries(): number {
    return this.kernel.count(this.kernel.maps.others.remembered4);
  }

  /** Tracked slots of all services, and open windows. */
  get tracked(): number {
    let sum = 0;
    for (const { value } of liveServices(this.kernel.maps, this.kernel).values()) {
      const { slots } = this.#table(value.table) ?? { slots: [] };
      sum += Array.from(slots).filter((slot) => slot >= 0x8000).length + Number(value.oldest !== 0n);
    }
    return sum;
  }

  #start(kill = Number.POSITIVE_INFINITY): Applier {
    const { kernel } = this;
    const watch = this.#isWatched ? new GraceWatch(() => checkInvariants(kernel.maps, kernel)) : undefined;
    const plain = kernelStores(kernel as unknown as Kernel);
    const stores: Stores = watch?.watch(plain, kernel.maps) ?? plain;
    return new Applier({
      kernel: {
        entries: (map) => kernel.entries(map),
        batches: (map) => kernel.batches(map),
        buildMaglevTable: (slots, hashes, quotas) => kernel.buildMaglevTable(slots, hashes, quotas),
        gracePeriod: async () => {
          await kernel.gracePeriod();
          watch?.gracePeriodEnded();
        },
      },
      maps: kernel.maps,
      stores: killAfter(stores, kill),
      agentNextHops: kernel.maps.arrays.next_hops.entries * 0.75,
      clock: this.clock,
    });
  }

  /** Of one frontend, without a walk over all: the table is small. */
  #find({ vip, vipPort, protocol }: Tuple) {
    const { view, stride, entries } = this.kernel.maps.arrays.services;
    for (let index = 1; index < entries; index += 1) {
      const value = serviceLayout.read(view, index * stride);
      const { addr, port, protocol: own } = value.key;
      if (addr[0] === vip && port === vipPort && own === protocol) return this.#service(value, protocol);
    }
    return undefined;
  }

  #service(value: Service, protocol: number) {
    return {
      hasHash3: (value.flags & serviceFlag.SERVICE_F_HASH3) !== 0,
      hasAffinity: (value.flags & serviceFlag.SERVICE_F_AFFINITY) !== 0,
      table: this.#table(value.table),
      oldest: this.#table(value.oldest),
      windowStart: value.windowStart,
      window: protocol === 6 ? value.windowTcp : value.windowUdp,
    };
  }

  #table(word: bigint): OwnerTable | undefined {
    const count = SIZES[Number((word >> 24n) & 0xfn)] as number;
    if (count === 0) return undefined;
    const { memory, stride } = this.kernel.maps.arrays.maglev_slots;
    const line = Number(word & 0xffffffn);
    const slots = new Uint16Array(memory.buffer, memory.byteOffset + line * stride, count);
    return { slots, block: Number((word >> 32n) & 0xffffffn) };
  }

  #backend(index: number): { generation: number; state: string } {
    const { view, stride } = this.kernel.maps.arrays.backends;
    const { generation, state } = backend.read(view, index * stride);
    return { generation, state: backendStateNames[state] as string };
  }

  #endpoint(index: number): string {
    const { view, stride } = this.kernel.maps.arrays.backends;
    const { addr, port } = backend.read(view, index * stride);
    return `10.0.0.${(addr[0] as number) & 0xff}:${port}`;
  }

  #load(keys: readonly string[]): Map<FlowName, RememberedFlow> {
    const found = new Map<FlowName, RememberedFlow>();
    for (const name of keys) {
      const value = this.kernel.lookup(this.kernel.maps.others.remembered4, Buffer.from(name, 'hex'));
      if (value === undefined) continue;
      const { backend, backendGeneration, state, isn, seen } = rememberedFlow.decode(value);
      const flow = flowStateNames[state] as FlowState;
      found.set(name, { backend, generation: backendGeneration, state: flow, isn, seen });
    }
    return found;
  }

  #store(keys: readonly string[], remembered: ReadonlyMap<FlowName, RememberedFlow>): void {
    const map = this.kernel.maps.others.remembered4;
    for (const name of keys) {
      const flow = remembered.get(name);
      const key = Buffer.from(name, 'hex');
      if (flow === undefined) this.kernel.delete(map, key);
      else {
        const { backend, generation: backendGeneration, state, isn, seen } = flow;
        const value = { backend, backendGeneration, state: flowState[state], reserved: 0, isn, seen };
        this.kernel.update(map, key, rememberedFlow.encode(value));
      }
    }
  }
}

function hashOf(tuple: Tuple, parts: { readonly hasAffinity: boolean; readonly hasHash3: boolean }): number {
  const { client, vip, clientPort, vipPort, protocol } = tuple;
  return flowHash(SEED, client, vip, clientPort, vipPort, protocol, {
    affinity: parts.hasAffinity,
    hash3: parts.hasHash3,
  });
}

function keyOf(tuple: Tuple): string {
  return Buffer.from(flowKey4.encode(tuple)).toString('hex');
}
