/** The values of mappable arrays as memory that packets see. */
import { type BpfMap, KernelError } from './kernel.ts';
import { roundUp8 } from './maps.ts';
import type { NativeCalls } from './native-calls.ts';
import { memoryAt, pointerCell } from './native-library.ts';
import { checked } from './native-result.ts';

const BPF_F_MMAPABLE = 1 << 10;
const PAGE = 4096;

/** Words over the Buffers that were mapped; made once for each. */
const wordsOf = new WeakMap<Buffer, BigUint64Array>();

/**
 * Maps a map's values. Mappings are kept until the process ends: a Buffer over unmapped memory would be a
 * crash waiting for its reader.
 */
export class MapMemory {
  readonly #native: NativeCalls;
  readonly #mapped = new WeakMap<BpfMap, Map<'read' | 'write', Buffer>>();

  constructor(native: NativeCalls) {
    this.#native = native;
  }

  /** A second call for the same map and access returns the same Buffer. */
  of(map: BpfMap, access: 'read' | 'write'): Buffer {
    const known = this.#mapped.get(map) ?? new Map<'read' | 'write', Buffer>();
    this.#mapped.set(map, known);
    const memory = known.get(access) ?? this.#map(map, access);
    known.set(access, memory);
    return memory;
  }

  #map(map: BpfMap, access: 'read' | 'write'): Buffer {
    if (!(map.flags & BPF_F_MMAPABLE)) {
      throw new KernelError('EINVAL', `map ${map.name} cannot be mapped into memory (no BPF_F_MMAPABLE)`);
    }
    const bytes = map.maxEntries * roundUp8(map.valueSize);
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(Math.ceil(bytes / PAGE) * PAGE));
    const cell = pointerCell();
    checked(
      this.#native.l4lb.mapMemory(map.fd, access === 'write' ? 1 : 0, size, cell),
      `map ${map.name} into memory`,
    );
    return memoryAt(cell, bytes);
  }
}

function words(memory: Buffer, offset: number): BigUint64Array {
  let view = wordsOf.get(memory);
  if (!view) {
    view = new BigUint64Array(memory.buffer, memory.byteOffset, Math.floor(memory.length / 8));
    wordsOf.set(memory, view);
  }
  if (offset % 8 !== 0 || offset < 0 || offset / 8 >= view.length) {
    throw new RangeError(
      `offset ${offset} is no multiple of 8 inside the ${memory.length} bytes of this map's memory`,
    );
  }
  return view;
}

/** One aligned store: V8 makes it a single exchange, which neither CPU nor compiler tears or moves. */
export function storeU64(memory: Buffer, offset: number, value: bigint): void {
  Atomics.store(words(memory, offset), offset / 8, value);
}

export function loadU64(memory: Buffer, offset: number): bigint {
  return Atomics.load(words(memory, offset), offset / 8);
}
