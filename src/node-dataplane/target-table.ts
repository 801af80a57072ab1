/**
 * The map node_targets, brought to what is planned. An entry is replaced as a whole by the kernel, so
 * packets see the old one or the new one; what the map holds is read once, and then known.
 */
import type { BpfMap, Kernel } from '../kernel/kernel.ts';
import { type NodeTarget, type NodeTargetKey, nodeTarget, nodeTargetKey } from '../layout/generated.ts';
import { addressOfWords, familyOf, wordsOf } from '../net/address.ts';
import { runAtOnce } from '../slices/run-in-slices.ts';
import type { Target } from './plan-targets.ts';

export interface TargetChanges {
  readonly written: number;
  readonly removed: number;
  /** For which there was no room. */
  readonly waiting: readonly Target[];
}

/** Index into node_traffic of targets that are not counted. */
export const NO_TRAFFIC = 0;

/** A target as the map has it. */
export interface ActualTarget extends Target {
  readonly traffic: number;
}

type TableKernel = Pick<Kernel, 'entries' | 'update' | 'delete' | 'clearPerCpu'>;

export class TargetTable {
  readonly #kernel: TableKernel;
  readonly #map: BpfMap;
  readonly #traffic: BpfMap;
  /** By the key's bytes. */
  #known: Map<string, { readonly key: Buffer; readonly value: Buffer }> | undefined;
  #free: number[] = [];

  constructor(kernel: TableKernel, map: BpfMap, traffic: BpfMap) {
    this.#kernel = kernel;
    this.#map = map;
    this.#traffic = traffic;
  }

  /** Targets in the map, whoever put them there. */
  get size(): number {
    return this.#read().size;
  }

  apply(targets: readonly Target[], deletions: boolean): TargetChanges {
    return runAtOnce(this.applying(targets, deletions));
  }

  /** With places to pause at; one at a time. After an error what the map holds is read anew by the next. */
  *applying(targets: readonly Target[], deletions: boolean): Generator<void, TargetChanges> {
    try {
      return yield* this.#converge(targets, deletions);
    } catch (error) {
      this.#known = undefined;
      throw error;
    }
  }

  *#converge(targets: readonly Target[], deletions: boolean): Generator<void, TargetChanges> {
    const known = this.#read();
    const wanted = new Map<string, Target>();
    for (const target of targets) {
      wanted.set(encodeKey(target).toString('latin1'), target);
      yield;
    }
    let removed = 0;
    for (const [name, { key, value }] of known) {
      yield;
      if (!deletions || wanted.has(name)) continue;
      this.#kernel.delete(this.#map, key);
      known.delete(name);
      this.#giveBack(nodeTarget.decode(value).traffic);
      removed += 1;
    }
    const waiting: Target[] = [];
    let written = 0;
    for (const [name, target] of wanted) {
      yield;
      const before = known.get(name);
      const traffic = before === undefined ? this.#take(target) : nodeTarget.decode(before.value).traffic;
      if (traffic === undefined || (before === undefined && known.size >= this.#map.maxEntries)) {
        if (traffic !== undefined) this.#giveBack(traffic);
        waiting.push(target);
        continue;
      }
      const entry = { key: encodeKey(target), value: encodeValue(target, traffic) };
      if (before?.value.equals(entry.value) === true) continue;
      this.#kernel.update(this.#map, entry.key, entry.value);
      known.set(name, entry);
      written += 1;
    }
    return { written, removed, waiting };
  }

  #read(): Map<string, { readonly key: Buffer; readonly value: Buffer }> {
    if (this.#known !== undefined) return this.#known;
    this.#known = new Map(
      this.#kernel.entries(this.#map).map((entry) => [entry.key.toString('latin1'), entry]),
    );
    const used = new Set([...this.#known.values()].map(({ value }) => nodeTarget.decode(value).traffic));
    this.#free = [];
    for (let index = this.#traffic.maxEntries - 1; index > NO_TRAFFIC; index--) {
      if (!used.has(index)) this.#free.push(index);
    }
    return this.#known;
  }

  #take(target: Target): number | undefined {
    if (target.port === 0) return NO_TRAFFIC;
    const index = this.#free.pop();
    if (index !== undefined) this.#kernel.clearPerCpu(this.#traffic, index, 1);
    return index;
  }

  #giveBack(index: number): void {
    if (index !== NO_TRAFFIC) this.#free.push(index);
  }
}

/** What the map holds. */
export function readTargets(kernel: Pick<Kernel, 'entries'>, map: BpfMap): ActualTarget[] {
  return kernel.entries(map).map(({ key, value }) => {
    const { vip, outer, port, protocol, family, outerFamily }: NodeTargetKey = nodeTargetKey.decode(key);
    const { address, port: targetPort, traffic }: NodeTarget = nodeTarget.decode(value);
    return {
      vip: addressOfWords(vip, family),
      outer: addressOfWords(outer, outerFamily),
      port,
      protocol: protocol as Target['protocol'],
      address: addressOfWords(address, family),
      targetPort,
      traffic,
    };
  });
}

function encodeKey({ vip, outer, port, protocol }: Target): Buffer {
  const bytes = nodeTargetKey.encode({
    vip: [...wordsOf(vip)],
    outer: [...wordsOf(outer)],
    port,
    protocol,
    family: familyOf(vip),
    outerFamily: familyOf(outer),
    reserved: [0, 0, 0],
  });
  return Buffer.from(bytes);
}

function encodeValue({ address, targetPort }: Target, traffic: number): Buffer {
  const value = { address: [...wordsOf(address)], port: targetPort, reserved: 0, traffic };
  return Buffer.from(nodeTarget.encode(value));
}
