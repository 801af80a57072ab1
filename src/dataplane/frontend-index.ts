/**
 * The index from frontend to service entry: buckets of one cache line, and a kernel hash map for what
 * finds no place in its bucket. A frontend is published, and withdrawn, by one store of its slot.
 */
import type { BpfMap, Kernel } from '../kernel/kernel.ts';
import { BUCKET_OVERFLOWED, FRONTENDS_PER_BUCKET, frontendBucket } from '../layout/generated.ts';
import { decodeKey, encodeKey, type FrontendKey, hashKey, keyNumber } from './frontend-key.ts';
import type { DataplaneMaps, MappedArray } from './maps.ts';
import type { Stores } from './stores.ts';

/** A reference from the index to a service entry. */
export interface FrontendReference {
  readonly bucket: number;
  /** 0..6, or undefined: in the overflow map. */
  readonly slot?: number;
  readonly tag: number;
  readonly service: number;
  /** Only known of overflowed ones. */
  readonly key?: FrontendKey;
}

const SLOT_OFFSET = frontendBucket.offsets.slot;
const FLAGS_OFFSET = frontendBucket.offsets.flags;

/** Buckets that are looked at in one go. */
const AT_A_TIME = 512;

/** Every reference there is. May pause. */
export function* readReferences(
  maps: DataplaneMaps,
  kernel: Pick<Kernel, 'entries'>,
): Generator<void, FrontendReference[]> {
  const { frontends } = maps.arrays;
  const found: FrontendReference[] = [];
  for (let bucket = 0; bucket < frontends.entries; bucket++) {
    if (bucket % AT_A_TIME === 0) yield;
    for (let slot = 0; slot < FRONTENDS_PER_BUCKET; slot++) {
      const at = bucket * frontends.stride + SLOT_OFFSET + slot * 8;
      const service = frontends.view.getUint32(at, true);
      if (service !== 0) found.push({ bucket, slot, service, tag: frontends.view.getUint32(at + 4, true) });
    }
  }
  for (const { key, value } of kernel.entries(maps.others.frontend_overflow)) {
    const decoded = decodeKey(key);
    const { hash, tag } = hashKey(decoded);
    const bucket = hash & (frontends.entries - 1);
    found.push({ bucket, tag, service: value.readUInt32LE(0), key: decoded });
  }
  return found;
}

export class FrontendIndex {
  readonly #array: MappedArray;
  readonly #overflow: BpfMap;
  readonly #mask: number;
  /** Keys in the overflow map, by bucket. */
  readonly #overflowed = new Map<number, Map<number | bigint, number>>();

  constructor(maps: DataplaneMaps, references: readonly FrontendReference[]) {
    this.#array = maps.arrays.frontends;
    this.#overflow = maps.others.frontend_overflow;
    this.#mask = this.#array.entries - 1;
    for (const { key, bucket, service } of references) {
      if (key !== undefined) this.#keysOf(bucket).set(keyNumber(key), service);
    }
  }

  /** False when neither the bucket nor the overflow map has room. */
  publish(stores: Stores, key: FrontendKey, service: number): boolean {
    const { bucket, tag } = this.#place(key);
    for (let slot = 0; slot < FRONTENDS_PER_BUCKET; slot++) {
      if (this.#array.view.getUint32(this.#slotAt(bucket, slot), true) !== 0) continue;
      stores.word(this.#array, this.#slotAt(bucket, slot), (BigInt(tag) << 32n) | BigInt(service));
      return true;
    }
    if (this.#overflowCount() >= this.#overflow.maxEntries) return false;
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, service, true);
    stores.put(this.#overflow, encodeKey(key), value);
    this.#keysOf(bucket).set(keyNumber(key), service);
    this.setFlag(stores, bucket);
    return true;
  }

  withdraw(stores: Stores, key: FrontendKey, service: number): void {
    const { bucket } = this.#place(key);
    for (let slot = 0; slot < FRONTENDS_PER_BUCKET; slot++) {
      const at = this.#slotAt(bucket, slot);
      if (this.#array.view.getUint32(at, true) === service) stores.word(this.#array, at, 0n);
    }
    if (this.#overflowed.get(bucket)?.delete(keyNumber(key)) !== true) return;
    stores.remove(this.#overflow, encodeKey(key));
    this.setFlag(stores, bucket);
  }

  /** Clears a slot whose service entry does not have the key that led there. */
  clear(stores: Stores, reference: FrontendReference): void {
    if (reference.key !== undefined) this.withdraw(stores, reference.key, reference.service);
    else stores.word(this.#array, this.#slotAt(reference.bucket, reference.slot ?? 0), 0n);
  }

  /** Whether the reference is where this key is looked for. */
  leadsTo(reference: FrontendReference, key: FrontendKey): boolean {
    const { bucket, tag } = this.#place(key);
    return reference.bucket === bucket && reference.tag === tag;
  }

  /** Says in the bucket whether it overflowed; a store only where that changes. */
  setFlag(stores: Stores, bucket: number): void {
    const at = bucket * this.#array.stride + FLAGS_OFFSET;
    const wanted = (this.#overflowed.get(bucket)?.size ?? 0) > 0 ? BUCKET_OVERFLOWED : 0;
    if (this.#array.view.getUint32(at, true) !== wanted) stores.word(this.#array, at, BigInt(wanted));
  }

  /** The same in all buckets; may pause. */
  *setFlags(stores: Stores): Generator<void> {
    for (let bucket = 0; bucket < this.#array.entries; bucket++) {
      if (bucket % AT_A_TIME === 0) yield;
      this.setFlag(stores, bucket);
    }
  }

  #place(key: FrontendKey): { bucket: number; tag: number } {
    const { hash, tag } = hashKey(key);
    return { bucket: (hash & this.#mask) >>> 0, tag };
  }

  #slotAt(bucket: number, slot: number): number {
    return bucket * this.#array.stride + SLOT_OFFSET + slot * 8;
  }

  #keysOf(bucket: number): Map<number | bigint, number> {
    let keys = this.#overflowed.get(bucket);
    if (keys === undefined) {
      keys = new Map();
      this.#overflowed.set(bucket, keys);
    }
    return keys;
  }

  #overflowCount(): number {
    let count = 0;
    for (const keys of this.#overflowed.values()) count += keys.size;
    return count;
  }
}
