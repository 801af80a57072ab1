/** A dataplane whose maps are filled by hand, without the agent's code: what is written here is what packets meet. */
import { resolve } from 'node:path';
import { buildDirectory } from '../../../src/kernel/build-directory.ts';
import type { BpfMap, Kernel, LoadedObject } from '../../../src/kernel/kernel.ts';
import {
  backend as backendLayout,
  backendState,
  frontendBucket,
  lbConfig,
  nextHop as nextHopLayout,
  nextHopState,
  SLOTS_PER_LINE,
  service as serviceLayout,
  serviceMode,
  slotLine,
  trafficIn,
  trafficOut,
} from '../../../src/layout/generated.ts';
import { addressBytes, addressWords, type Family, familyOf, frontendHash } from './addresses.ts';

export type Mode = 'snat' | 'ipip' | 'gue' | 'l2';
export const MODE = {
  snat: serviceMode.MODE_SNAT,
  ipip: serviceMode.MODE_IPIP,
  gue: serviceMode.MODE_GUE,
  l2: serviceMode.MODE_L2,
} as const;

type LbConfig = ReturnType<typeof lbConfig.decode>;

export interface HandMadeOptions {
  readonly hook?: 'xdp' | 'tc';
  /** What differs from {@link BASE}, or from zero. */
  readonly config?: Partial<LbConfig>;
  readonly sizes?: Readonly<Record<string, number>>;
}

export interface HandBackend {
  readonly address: string;
  readonly port?: number;
  readonly nextHop: number;
  readonly state?: number;
  readonly generation?: number;
}

export interface HandService {
  readonly index: number;
  readonly vip: string;
  readonly port: number;
  readonly protocol: number;
  readonly mode: Mode;
  /** Of enum service_flag, without the mode. */
  readonly flags?: number;
  /** At index block, block + 1, ... of `backends`. */
  readonly block: number;
  readonly backends: readonly HandBackend[];
  /** First line in maglev_slots, and size class: 251 slots for 1. */
  readonly line: number;
  readonly sizeClass: number;
  /** Slot to place in the block, SLOT_TRACKED included. */
  readonly slots: readonly number[];
}

/** Of the outer headers and the hash. */
export const SEED = 0x243f6a8885a308d3n;
export const OUTER4 = { network: '172.20.0.0', mask: 0xffff0000 } as const;
export const OUTER6 = { network: 'fd00:20::', lastMask: 0xffff0000 } as const;
export const GUE_PORT = 6080;

/** Backends that are counted. */
const TRAFFIC_ROW = 64;
/** So few that flows share them. */
export const RECENT_LINES = 4;
const ONES = 0xffffffff;
const BASE: Partial<LbConfig> = {
  hashSeed: SEED,
  outer4: { network: addressWords(OUTER4.network)[0] as number, mask: OUTER4.mask },
  outer6: { network: addressWords(OUTER6.network), mask: [ONES, ONES, ONES, OUTER6.lastMask] },
  guePort: GUE_PORT,
  hz: 1_000_000,
  cpus: 1,
  trafficRow: TRAFFIC_ROW,
  bucketMask: 15,
  recentMask: RECENT_LINES - 1,
  rejectPerSecond: 1000,
  rememberPerSecond: 1_000_000,
};
const NETWORK4 = { network: 0, mask: ONES };
const NETWORK6 = { network: [0, 0, 0, 0], mask: [ONES, ONES, ONES, ONES] };

/** VIP ranges as `lb_config` has them. */
export function vipRanges(ranges: ReadonlyArray<{ address: string; length: number }>): Partial<LbConfig> {
  const maskWords = (length: number): number[] =>
    [0, 32, 64, 96].map((from) => {
      const bits = Math.min(32, Math.max(0, length - from));
      return bits === 0 ? 0 : (ONES << (32 - bits)) >>> 0;
    });
  const of = (family: Family) => ranges.filter(({ address }) => familyOf(address) === family);
  const vip4 = of(4).map(({ address, length }) => ({
    network: addressWords(address)[0] as number,
    mask: maskWords(length)[0] as number,
  }));
  const vip6 = of(6).map(({ address, length }) => ({
    network: addressWords(address),
    mask: maskWords(length),
  }));
  return {
    vip4Count: vip4.length,
    vip4: Array.from({ length: 16 }, (_, i) => vip4[i] ?? NETWORK4),
    vip6Count: vip6.length,
    vip6: Array.from({ length: 16 }, (_, i) => vip6[i] ?? NETWORK6),
  };
}

/** The word service.table or service.oldest. */
export const tableWord = (line: number, sizeClass: number, block: number): bigint =>
  BigInt(line) | (BigInt(sizeClass) << 24n) | (BigInt(block) << 32n);

/** The constant words of an outer IPv4 header, summed as loads on a little-endian machine give them. */
export function outerChecksum(address: string, protocol: number): number {
  const words = Buffer.alloc(20);
  words.writeUInt16BE(0x4500, 0);
  words.writeUInt16BE(0x4000, 6);
  words.writeUInt8(64, 8);
  words.writeUInt8(protocol, 9);
  addressBytes(OUTER4.network).copy(words, 12);
  addressBytes(address).copy(words, 16);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += words.readUInt16LE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

export class HandMade {
  readonly kernel: Kernel;
  readonly hook: 'xdp' | 'tc';
  readonly #object: LoadedObject;
  readonly #clock: LoadedObject;
  readonly #memories = new Map<string, Buffer>();

  constructor(kernel: Kernel, { hook = 'xdp', config = {}, sizes = {} }: HandMadeOptions) {
    this.kernel = kernel;
    this.hook = hook;
    const zero = lbConfig.decode(new Uint8Array(lbConfig.size));
    this.#object = kernel.loadObject({
      objectPath: resolve(buildDirectory(), `${hook}.bpf.o`),
      programName: `lb_${hook}`,
      rodata: { config: lbConfig.encode({ ...zero, ...BASE, ...config }) },
      maxEntries: {
        frontends: 16,
        traffic_in: kernel.cpuNumbers * TRAFFIC_ROW,
        traffic_out: kernel.cpuNumbers * TRAFFIC_ROW,
        ...sizes,
      },
    });
    this.#clock = kernel.loadObject({
      objectPath: resolve(buildDirectory(), 'clock.bpf.o'),
      programName: 'read_clock',
    });
  }

  get programFd(): number {
    return this.#object.programFd;
  }

  get programId(): number {
    return this.#object.programId;
  }

  get verifiedInstructions(): number {
    return this.#object.verifiedInstructions;
  }

  get maps(): ReadonlyMap<string, BpfMap> {
    return this.#object.maps;
  }

  map(name: string): BpfMap {
    const map = this.maps.get(name);
    if (map === undefined) throw new Error(`no map ${name}`);
    return map;
  }

  memory(name: string): Buffer {
    const known = this.#memories.get(name);
    if (known !== undefined) return known;
    const memory = this.kernel.mapMemory(this.map(name), 'write');
    this.#memories.set(name, memory);
    return memory;
  }

  /** A view of value `index` of a mapped array. */
  at(name: string, index: number): { view: DataView; at: number } {
    const memory = this.memory(name);
    const stride = Math.ceil(this.map(name).valueSize / 8) * 8;
    return { view: new DataView(memory.buffer, memory.byteOffset, memory.byteLength), at: index * stride };
  }

  /** What was counted for a backend, over all CPUs. */
  traffic(backend: number): { packets: number; bytes: number; flows: number } {
    const sum = { packets: 0, bytes: 0, flows: 0 };
    for (let cpu = 0; cpu < this.kernel.cpuNumbers; cpu += 1) {
      const into = this.at('traffic_in', cpu * TRAFFIC_ROW + backend);
      const { packetsIn, bytesIn } = trafficIn.read(into.view, into.at);
      const out = this.at('traffic_out', cpu * TRAFFIC_ROW + backend);
      sum.packets += Number(packetsIn);
      sum.bytes += Number(bytesIn);
      sum.flows += Number(trafficOut.read(out.view, out.at).flows);
    }
    return sum;
  }

  /** Low 32 bits of jiffies. */
  now(): number {
    return this.kernel.testRun(this.#clock.programFd, { data: new Uint8Array(64) }).returnValue >>> 0;
  }

  setNextHop(index: number, hop: Partial<ReturnType<typeof nextHopLayout.read>>): void {
    const { view, at } = this.at('next_hops', index);
    nextHopLayout.write(view, at, {
      ...nextHopLayout.read(view, at),
      state: nextHopState.NEXT_HOP_VALID,
      refreshed: this.now(),
      ...hop,
    });
  }

  setBackend(index: number, service: HandService, entry: HandBackend): void {
    const { view, at } = this.at('backends', index);
    const inner = familyOf(service.vip) === 4 ? 4 : 41;
    const protocol = service.mode === 'gue' ? 17 : inner;
    const tunnels = service.mode === 'ipip' || service.mode === 'gue';
    backendLayout.write(view, at, {
      addr: addressWords(entry.address),
      nextHop: entry.nextHop,
      outerChecksum: tunnels && familyOf(entry.address) === 4 ? outerChecksum(entry.address, protocol) : 0,
      port: entry.port ?? service.port,
      generation: entry.generation ?? 0,
      state: entry.state ?? backendState.BACKEND_ACTIVE,
      family: familyOf(entry.address),
      service: service.index,
    });
  }

  setSlots(line: number, slots: readonly number[]): void {
    slots.forEach((slot, n) => {
      const { view, at } = this.at('maglev_slots', line + Math.floor(n / SLOTS_PER_LINE));
      view.setUint16(at + slotLine.offsets.slot + 2 * (n % SLOTS_PER_LINE), slot, true);
    });
  }

  addService(service: HandService): void {
    service.backends.forEach((entry, n) => {
      this.setBackend(service.block + n, service, entry);
    });
    this.setSlots(service.line, service.slots);
    const { view, at } = this.at('services', service.index);
    serviceLayout.write(view, at, {
      key: this.#key(service),
      flags: MODE[service.mode] | (service.flags ?? 0),
      table: tableWord(service.line, service.sizeClass, service.block),
      oldest: 0n,
      generation: 0,
      windowStart: 0,
      windowTcp: 0,
      windowUdp: 0,
      reserved: [0, 0],
    });
    this.addFrontend(service.vip, service.port, service.protocol, service.index);
  }

  /** Port and protocol 0: the VIP itself is in use. */
  addFrontend(vip: string, port: number, protocol: number, index: number): void {
    const { low, tag } = frontendHash(vip, port, protocol);
    const { view, at } = this.at('frontends', low & 15);
    for (let n = 0; n < 7; n += 1) {
      const place = at + frontendBucket.offsets.slot + 8 * n;
      if (view.getBigUint64(place, true) !== 0n) continue;
      view.setBigUint64(place, (BigInt(tag) << 32n) | BigInt(index), true);
      return;
    }
    throw new Error('the bucket is full');
  }

  close(): void {
    this.#object.close();
    this.#clock.close();
  }

  #key({ vip, port, protocol }: HandService) {
    return { addr: addressWords(vip), port, protocol, family: familyOf(vip) };
  }
}
