/** The node programs in the kernel, with a configuration of the test's; nothing is pinned or attached. */
import { buildProduct } from '../../../src/kernel/build-directory.ts';
import type { BpfMap, Kernel, LoadedObject } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/libbpf.ts';
import {
  dropReasonNames,
  nodeDropReasonNames,
  nodeEventNames,
  nodeFlow,
  nodeFlowPlace,
} from '../../../src/layout/generated.ts';
import {
  type NodeProgramConfig,
  nodeMapSizes,
  nodeRodata,
} from '../../../src/node-dataplane/node-program-config.ts';
import type { Target } from '../../../src/node-dataplane/plan-targets.ts';
import { TargetTable } from '../../../src/node-dataplane/target-table.ts';

/** As programs are told: far more than there are, so that time passes only when a test says so. */
export const HZ = 1_000_000;

export type Hook = 'xdp' | 'tc';
export type Verdict = 'pass' | 'drop';

export interface Outcome {
  readonly verdict: Verdict;
  readonly data: Buffer;
}

const PASS = { xdp: 2, tc: 0xffffffff } as const;

export class NodeBed {
  /** On tc each packet comes as if a card had summed it up; a run fails where the sum is wrong afterwards. */
  checksumComplete = true;
  readonly kernel: Kernel = openKernel();
  readonly #in: LoadedObject;
  readonly #out: LoadedObject;
  readonly #clock: LoadedObject;
  #targets: TargetTable;

  constructor(
    readonly hook: Hook,
    config: NodeProgramConfig,
  ) {
    const { kernel } = this;
    const options = { rodata: { node_config: nodeRodata(config, HZ) }, maxEntries: nodeMapSizes(config) };
    this.#in = kernel.loadObject({
      ...options,
      objectPath: buildProduct(`node_${hook}.bpf.o`),
      programName: `node_in_${hook}`,
    });
    const reuse = Object.fromEntries([...this.#in.maps].map(([name, { fd }]) => [name, fd]));
    this.#out = kernel.loadObject({
      ...options,
      reuse,
      objectPath: buildProduct('node_tc.bpf.o'),
      programName: 'node_out',
    });
    this.#clock = kernel.loadObject({ objectPath: buildProduct('clock.bpf.o'), programName: 'read_clock' });
    this.#targets = this.#newTargetTable();
  }

  #newTargetTable(): TargetTable {
    return new TargetTable(this.kernel, this.map('node_targets'), this.map('node_traffic'));
  }

  map(name: string): BpfMap {
    const map = this.#in.maps.get(name);
    if (map === undefined) throw new Error(`no map ${name}`);
    return map;
  }

  memory(name: string): Buffer {
    return this.kernel.mapMemory(this.map(name), 'write');
  }

  apply(targets: readonly Target[]): void {
    this.#targets.apply(targets, true);
  }

  now(): number {
    return this.kernel.testRun(this.#clock.programFd, { data: new Uint8Array(64) }).returnValue >>> 0;
  }

  /** A frame that comes to the node. */
  arrive(data: Uint8Array): Outcome {
    return this.#run(this.#in, data, this.hook);
  }

  /** A frame that leaves it. */
  leave(data: Uint8Array): Outcome {
    return this.#run(this.#out, data, 'tc');
  }

  #run(object: LoadedObject, data: Uint8Array, hook: Hook): Outcome {
    const result = this.kernel.testRun(object.programFd, {
      data,
      checksumComplete: this.checksumComplete && hook === 'tc',
    });
    const code = result.returnValue >>> 0;
    if (code === PASS[hook]) return { verdict: 'pass', data: result.data };
    const drop = hook === 'xdp' ? 1 : 2;
    if (code === drop) return { verdict: 'drop', data: result.data };
    throw new Error(`the program on ${hook} returned ${code}`);
  }

  /** Packets by drop reason, without the zeroes. */
  drops(): Record<string, number> {
    return this.#counters('node_drops', 64, (i) => dropReasonNames[i] ?? nodeDropReasonNames[i] ?? `${i}`);
  }

  events(): Record<string, number> {
    return this.#counters('node_events', 32, (i) => nodeEventNames[i] ?? `${i}`);
  }

  #counters(map: string, count: number, nameOf: (index: number) => string): Record<string, number> {
    const words = this.kernel.sumPerCpu(this.map(map), 0, count);
    return Object.fromEntries(
      Array.from({ length: count }, (_, i) => [nameOf(i), Number(words[i * 2])] as const).filter(
        ([, n]) => n > 0,
      ),
    );
  }

  /** All flows with the state of their place. */
  flows() {
    const places = this.memory('node_flow_places');
    const view = new DataView(places.buffer, places.byteOffset, places.byteLength);
    return this.kernel.entries(this.map('node_flows')).map(({ key, value }) => {
      const flow = nodeFlow.decode(value);
      return { key, flow, place: nodeFlowPlace.read(view, flow.place * nodeFlowPlace.size) };
    });
  }

  /** Moves everything that was seen into the past. */
  passSeconds(seconds: number): void {
    const places = this.memory('node_flow_places');
    const { seen, state } = nodeFlowPlace.offsets;
    for (let at = 0; at + nodeFlowPlace.size <= places.length; at += nodeFlowPlace.size) {
      if (places[at + state] === 0) continue;
      places.writeUInt32LE((places.readUInt32LE(at + seen) - seconds * HZ) >>> 0, at + seen);
    }
  }

  reset(): void {
    for (const name of ['node_flows', 'node_targets', 'node_fragments']) {
      for (const { key } of this.kernel.entries(this.map(name))) this.kernel.delete(this.map(name), key);
    }
    this.memory('node_flow_places').fill(0);
    this.memory('node_flow_hand').fill(0);
    for (const name of ['node_drops', 'node_events', 'node_traffic']) {
      this.kernel.clearPerCpu(this.map(name), 0, this.map(name).maxEntries);
    }
    this.#targets = this.#newTargetTable();
  }

  close(): void {
    for (const object of [this.#in, this.#out, this.#clock]) object.close();
  }
}
