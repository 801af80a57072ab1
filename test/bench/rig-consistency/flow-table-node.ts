/** An LB node with an entry for every flow: flow-table.bpf.c, filled with the product's Maglev tables. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { parseAddress } from '../../../src/net/address.ts';
import { clangBpf } from '../../rig/clang-bpf.ts';
import type { LbName } from '../../rig/many-pods.ts';
import { UPLINK } from '../../rig/one-armed.ts';
import { PROJECT, type Rig } from '../../rig/rig.ts';
import type { BackendSet, TableOf } from '../consistency/backend-set.ts';

/** struct table of flow-table.bpf.c. */
const OWNERS_AT = 4;
const THERE_AT = OWNERS_AT + 2 * 131_072;
const MAX_PODS = 256;

export class FlowTableNode {
  readonly #table: Buffer;

  private constructor(table: Buffer) {
    this.#table = table;
  }

  /** In place of whatever is on the node's device. */
  static async start(rig: Rig, lb: LbName, kernel: Pick<Kernel, 'openPinnedMap' | 'mapMemory'>) {
    const object = rig.path(lb, 'flow-table.bpf.o');
    const source = parseAddress(`10.20.${lb.at(-1)}.2`);
    await clangBpf(join(PROJECT, 'test/bench/rig-consistency/flow-table.bpf.c'), object, [
      `-DSOURCE4=${source}u`,
    ]);
    const pin = rig.bpfDirectory(lb);
    await rig.exec(lb, ['mkdir', '-p', pin]);
    await rig.exec(lb, ['bpftool', 'prog', 'load', object, join(pin, 'lb'), 'type', 'xdp', 'pinmaps', pin]);
    const attach = ['bpftool', 'net', 'attach', 'xdpdrv', 'pinned', join(pin, 'lb'), 'dev', UPLINK];
    await rig.exec(lb, attach);
    const map = kernel.openPinnedMap(join(pin, 'table'));
    if (map === undefined) throw new Error(`${pin}/table: not there`);
    const node = new FlowTableNode(kernel.mapMemory(map, 'write'));
    rmSync(pin, { recursive: true });
    return node;
  }

  /** Packets may meet half of it: a flow that begins meanwhile has either owner. */
  change({ active, draining }: BackendSet, tableOf: TableOf, slots: number): void {
    const owners = tableOf(active, slots);
    const there = new Set([...active, ...draining]);
    // What is in no table any more goes last, what comes first.
    for (const pod of there) this.#table[THERE_AT + pod] = 1;
    Buffer.from(owners.buffer, owners.byteOffset, owners.byteLength).copy(this.#table, OWNERS_AT);
    this.#table.writeUInt32LE(slots, 0);
    for (let pod = 0; pod < MAX_PODS; pod++) if (!there.has(pod)) this.#table[THERE_AT + pod] = 0;
  }
}
