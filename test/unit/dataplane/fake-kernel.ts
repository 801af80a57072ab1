/** The kernel's maps in memory: arrays are Buffers, hash maps are Maps. Grace periods end at once. */

import {
  type DataplaneMaps,
  MAPPED_ARRAYS,
  type MappedArrayName,
  mapDataplane,
  OTHER_MAPS,
} from '../../../src/dataplane/maps.ts';
import { trafficRow } from '../../../src/dataplane/traffic-counters.ts';
import { type BpfMap, type Kernel, KernelError, type MapBatch } from '../../../src/kernel/kernel.ts';
import {
  backend,
  flowKey4,
  flowKey6,
  frontendBucket,
  frontendKey,
  nextHop,
  rememberedFlow,
  service,
  slotLine,
  trafficCounters,
  trafficIn,
  trafficOut,
} from '../../../src/layout/generated.ts';
import { referenceTable } from '../../model/maglev-reference.ts';

export interface FakeSizes {
  readonly buckets?: number;
  readonly services?: number;
  /** Of `services`, those with counters: index 0 and services; VIPs come behind. */
  readonly counted?: number;
  readonly lines?: number;
  readonly backends?: number;
  readonly nextHops?: number;
  readonly records?: number;
  readonly overflow?: number;
  readonly remembered?: number;
}

const KEY_SIZES: Record<string, number> = {
  frontend_overflow: frontendKey.size,
  remembered4: flowKey4.size,
  remembered6: flowKey6.size,
};

const PER_CPU = ['service_drops'];

/** The tables of a history are built again and again. */
const built = new Map<string, Uint16Array>();

export class FakeKernel
  implements
    Pick<
      Kernel,
      | 'entries'
      | 'batches'
      | 'lookup'
      | 'buildMaglevTable'
      | 'gracePeriod'
      | 'update'
      | 'delete'
      | 'storeU64'
      | 'clearPerCpu'
      | 'mapMemory'
    >
{
  readonly maps: DataplaneMaps;
  gracePeriods = 0;
  readonly possibleCpus = 2;
  /** By map: words of 64 bits by their place; all others are 0. */
  readonly counters: Record<string, Record<number, bigint>> = {};
  readonly #memory = new Map<string, Buffer>();
  readonly #hashes = new Map<string, Map<string, Buffer>>();

  constructor(sizes: FakeSizes = {}) {
    const entriesOf: Record<string, [entries: number, size: number]> = {
      frontends: [sizes.buckets ?? 1, frontendBucket.size],
      services: [sizes.services ?? 32, service.size],
      maglev_slots: [sizes.lines ?? 480, slotLine.size],
      backends: [sizes.backends ?? 128, backend.size],
      next_hops: [sizes.nextHops ?? 128, nextHop.size],
      flow_records: [sizes.records ?? 64, 64],
      frontend_overflow: [sizes.overflow ?? 16, 4],
      remembered4: [sizes.remembered ?? 4096, rememberedFlow.size],
      remembered6: [sizes.remembered ?? 4096, rememberedFlow.size],
      service_counters: [sizes.counted ?? 20, trafficCounters.size],
      traffic_in: [this.possibleCpus * trafficRow(sizes.backends ?? 128), trafficIn.size],
      traffic_out: [this.possibleCpus * trafficRow(sizes.backends ?? 128), trafficOut.size],
      service_drops: [(sizes.counted ?? 20) * 32, 8],
      drop_counters: [32, 16],
      event_counters: [32, 16],
    };
    const maps = new Map<string, BpfMap>();
    let fd = 3;
    for (const name of new Set([...MAPPED_ARRAYS, ...OTHER_MAPS])) {
      const [maxEntries, valueSize] = entriesOf[name] ?? [32, 8];
      const keySize = KEY_SIZES[name] ?? 4;
      maps.set(name, { name, fd: fd++, type: 2, keySize, valueSize, maxEntries, flags: 0 });
      this.#memory.set(name, Buffer.alloc(maxEntries * valueSize));
      this.#hashes.set(name, new Map());
    }
    this.maps = mapDataplane(this, maps, 'write');
  }

  mapMemory(map: BpfMap): Buffer {
    return this.#memory.get(map.name) as Buffer;
  }

  storeU64(memory: Buffer, offset: number, value: bigint): void {
    if (offset % 8 !== 0) throw new RangeError(`offset ${offset} is not aligned`);
    memory.writeBigUInt64LE(value, offset);
  }

  entries(map: BpfMap): Array<{ key: Buffer; value: Buffer }> {
    const hash = this.#hashes.get(map.name) as Map<string, Buffer>;
    return [...hash].map(([key, value]) => ({ key: Buffer.from(key, 'hex'), value }));
  }

  lookup(map: BpfMap, key: Uint8Array): Buffer | undefined {
    return this.#hashes.get(map.name)?.get(Buffer.from(key).toString('hex'));
  }

  /** Entries of a hash map. */
  count(map: BpfMap): number {
    return this.#hashes.get(map.name)?.size ?? 0;
  }

  /** Two at a time, so that walks have more than one batch. */
  *batches(map: BpfMap): Generator<MapBatch> {
    const all = this.entries(map);
    for (let from = 0; from < all.length; from += 2) {
      const part = all.slice(from, from + 2);
      const keys = Buffer.concat(part.map(({ key }) => key));
      yield { keys, values: Buffer.concat(part.map(({ value }) => value)), count: part.length };
    }
  }

  update(map: BpfMap, key: Uint8Array, value: Uint8Array): void {
    if (PER_CPU.includes(map.name)) {
      this.#updatePerCpu(map, key, value);
      return;
    }
    if (MAPPED_ARRAYS.includes(map.name as MappedArrayName)) {
      this.mapMemory(map).set(value, Buffer.from(key).readUInt32LE(0) * map.valueSize);
      return;
    }
    const hash = this.#hashes.get(map.name) as Map<string, Buffer>;
    const text = Buffer.from(key).toString('hex');
    if (!hash.has(text) && hash.size >= map.maxEntries) throw new KernelError('E2BIG', `${map.name} is full`);
    hash.set(text, Buffer.from(value));
  }

  delete(map: BpfMap, key: Uint8Array): boolean {
    return (this.#hashes.get(map.name) as Map<string, Buffer>).delete(Buffer.from(key).toString('hex'));
  }

  #updatePerCpu(map: BpfMap, key: Uint8Array, value: Uint8Array): void {
    if (value.length !== this.possibleCpus * map.valueSize)
      throw new RangeError(`value of ${value.length} bytes`);
    const words = map.valueSize / 8;
    const first = Buffer.from(key).readUInt32LE(0) * words;
    this.counters[map.name] ??= {};
    const known = this.counters[map.name] as Record<number, bigint>;
    const all = new BigUint64Array(new Uint8Array(value).buffer);
    for (let word = 0; word < words; word++) {
      known[first + word] = 0n;
      for (let at = word; at < all.length; at += words)
        known[first + word] = (known[first + word] ?? 0n) + (all[at] as bigint);
    }
  }

  clearPerCpu(map: BpfMap, first: number, count: number): void {
    const words = map.valueSize / 8;
    const known = this.counters[map.name] ?? {};
    for (let word = first * words; word < (first + count) * words; word++) delete known[word];
  }

  sumPerCpu(map: BpfMap, first: number, count: number): BigUint64Array {
    const words = map.valueSize / 8;
    const known = this.counters[map.name] ?? {};
    return BigUint64Array.from({ length: count * words }, (_, i) => known[first * words + i] ?? 0n);
  }

  buildMaglevTable(slots: number, hashes: BigUint64Array, quotas: Uint32Array): Uint16Array {
    const wish = `${slots} ${hashes.join()} ${quotas.join()}`;
    const table = built.get(wish) ?? referenceTable(slots, hashes, quotas);
    built.set(wish, table);
    return table.slice();
  }

  gracePeriod(): Promise<void> {
    this.gracePeriods += 1;
    return Promise.resolve();
  }
}
