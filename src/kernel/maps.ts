/** Maps: opening, single entries, and entries in bulk. */
import { closeSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { type BpfMap, KernelError, type MapBatch } from './kernel.ts';
import type { NativeCalls } from './native-calls.ts';
import { cString } from './native-library.ts';
import { checked, errnoName, kernelError } from './native-result.ts';

/** Map types whose values come once for each possible CPU. */
const PER_CPU_TYPES: ReadonlySet<number> = new Set([5, 6, 10, 21]);
const PER_CPU_ARRAY = 6;
const BATCH = 4096;

export interface MapShape {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

export function roundUp8(size: number): number {
  return Math.ceil(size / 8) * 8;
}

/** What the kernel says about an open map. */
export function mapShape(native: NativeCalls, fd: number): MapShape {
  const info = new Uint32Array(5);
  checked(native.l4lb.mapInfo(fd, new Uint8Array(info.buffer)), `read about map descriptor ${fd}`);
  const [type = 0, keySize = 0, valueSize = 0, maxEntries = 0, flags = 0] = info;
  return { type, keySize, valueSize, maxEntries, flags };
}

type PinnedKind = 'map' | 'link' | 'prog';

/** Opens what is pinned at a path; undefined if nothing is. Throws if it is none of these kinds. */
export function openPinned<K extends PinnedKind>(
  native: NativeCalls,
  path: string,
  ...kinds: readonly [K, ...K[]]
): { readonly fd: number; readonly kind: K } | undefined {
  const fd = native.bpf.objGet(cString(path));
  if (fd < 0 && errnoName(fd) === 'ENOENT') return undefined;
  checked(fd, `open ${path}`);
  const target = readlinkSync(`/proc/self/fd/${fd}`);
  const kind = kinds.find((each) => target.includes(`bpf-${each}`) || target.includes(`bpf_${each}`));
  if (kind !== undefined) return { fd, kind };
  closeSync(fd);
  throw new KernelError('EINVAL', `${path} is pinned, but is no BPF ${kinds[0]} (${target})`);
}

export function openPinnedMap(native: NativeCalls, path: string): BpfMap | undefined {
  const pinned = openPinned(native, path, 'map');
  if (pinned === undefined) return undefined;
  const { fd } = pinned;
  return { name: basename(path).replace(/_v\d+$/, ''), fd, ...mapShape(native, fd) };
}

/** Reads and writes of entries. */
export class MapAccess {
  readonly #native: NativeCalls;
  readonly #cpus: number;

  constructor(native: NativeCalls, cpus: number) {
    this.#native = native;
    this.#cpus = cpus;
  }

  /** For a per-CPU map: the values of all CPUs, one behind the other. */
  lookup(map: BpfMap, key: Uint8Array): Buffer | undefined {
    checkSize(map, 'key', key, map.keySize);
    const value = Buffer.alloc(this.#valueBytes(map));
    const result = this.#native.bpf.mapLookup(map.fd, key, value);
    if (result < 0 && errnoName(result) === 'ENOENT') return undefined;
    checked(result, `look up an entry of map ${map.name}`);
    return value;
  }

  update(map: BpfMap, key: Uint8Array, value: Uint8Array, flags = 0): void {
    checkSize(map, 'key', key, map.keySize);
    checkSize(map, 'value', value, this.#valueBytes(map));
    checked(
      this.#native.bpf.mapUpdate(map.fd, key, value, BigInt(flags)),
      `write an entry of map ${map.name}`,
    );
  }

  delete(map: BpfMap, key: Uint8Array): boolean {
    checkSize(map, 'key', key, map.keySize);
    const result = this.#native.bpf.mapDelete(map.fd, key);
    if (result < 0 && errnoName(result) === 'ENOENT') return false;
    checked(result, `delete an entry of map ${map.name}`);
    return true;
  }

  entries(map: BpfMap): Array<{ key: Buffer; value: Buffer }> {
    const found: Array<{ key: Buffer; value: Buffer }> = [];
    for (const { keys, values, count } of this.batches(map)) {
      const valueBytes = values.length / count;
      for (let i = 0; i < count; i++) {
        found.push({
          key: keys.subarray(i * map.keySize, (i + 1) * map.keySize),
          value: values.subarray(i * valueBytes, (i + 1) * valueBytes),
        });
      }
    }
    return found;
  }

  *batches(map: BpfMap): Generator<MapBatch> {
    const valueBytes = this.#valueBytes(map);
    // The kernel's cursor is a bucket number or a key.
    const cursor = Buffer.alloc(Math.max(8, map.keySize));
    const read = new Uint32Array(1);
    let capacity = Math.min(BATCH, map.maxEntries);
    for (let first = 1, done = false; !done; ) {
      const keys = Buffer.alloc(capacity * map.keySize);
      const values = Buffer.alloc(capacity * valueBytes);
      read[0] = capacity;
      const result = this.#native.l4lb.readBatch(
        map.fd,
        first,
        cursor,
        keys,
        values,
        new Uint8Array(read.buffer),
      );
      if (result < 0 && errnoName(result) === 'ENOSPC' && capacity < map.maxEntries) {
        capacity = Math.min(capacity * 2, map.maxEntries);
        continue;
      }
      done = checked(result, `read map ${map.name}`) === 1;
      first = 0;
      const count = read[0];
      if (count === 0) continue;
      yield {
        keys: keys.subarray(0, count * map.keySize),
        values: values.subarray(0, count * valueBytes),
        count,
      };
    }
  }

  sumPerCpu(map: BpfMap, first: number, count: number): BigUint64Array {
    checkRange(map, first, count);
    const sums = new BigUint64Array((count * roundUp8(map.valueSize)) / 8);
    checked(
      this.#native.l4lb.perCpuSum(
        map.fd,
        map.valueSize,
        first,
        count,
        this.#cpus,
        new Uint8Array(sums.buffer),
      ),
      `read map ${map.name}`,
    );
    return sums;
  }

  clearPerCpu(map: BpfMap, first: number, count: number): void {
    checkRange(map, first, count);
    checked(
      this.#native.l4lb.perCpuClear(map.fd, map.valueSize, first, count, this.#cpus),
      `clear map ${map.name}`,
    );
  }

  #valueBytes(map: BpfMap): number {
    return PER_CPU_TYPES.has(map.type) ? roundUp8(map.valueSize) * this.#cpus : map.valueSize;
  }
}

function checkSize(map: BpfMap, what: 'key' | 'value', bytes: Uint8Array, size: number): void {
  if (bytes.length === size) return;
  throw new KernelError('EINVAL', `map ${map.name} has a ${what} of ${size} bytes, not ${bytes.length}`);
}

function checkRange(map: BpfMap, first: number, count: number): void {
  if (map.type !== PER_CPU_ARRAY) throw new KernelError('EINVAL', `map ${map.name} is no per-CPU array`);
  if (first >= 0 && count >= 0 && first + count <= map.maxEntries) return;
  throw kernelError(
    -34,
    `use entries ${first} to ${first + count - 1} of map ${map.name}, which has ${map.maxEntries}`,
  );
}
