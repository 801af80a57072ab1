/** A hand-made dataplane with a service for each family and protocol, for the tests of DSR. */
import { expect } from 'vitest';
import { openKernel } from '../../../src/kernel/libbpf.ts';
import {
  dropReasonNames,
  eventKindNames,
  nextHopState,
  sourceRangeKey,
} from '../../../src/layout/generated.ts';
import { DEVICE } from '../network.ts';
import { addressWords, type Family, type Flow, familyOf, type HashedBy, hashOf } from './addresses.ts';
import { encapsulated, frameOf, oneHopOn } from './frames.ts';
import {
  type HandBackend,
  HandMade,
  type HandMadeOptions,
  MODE,
  type Mode,
  RECENT_LINES,
  SEED,
  vipRanges,
} from './hand-made.ts';

export const VIP = { 4: '10.1.0.2', 6: 'fd00:1::2' } as const;
export const CLIENT = { 4: '198.51.100.7', 6: '2001:db8:7::9' } as const;
export const SLOTS = 251;
export const PROTOCOLS = { tcp: 6, udp: 17 } as const;
const ACTIONS = { xdp: { pass: 2, drop: 1, tx: 3 }, tc: { pass: 0xffffffff, drop: 2, tx: 7 } } as const;

export interface DsrOptions extends HandMadeOptions {
  readonly mode: Mode;
  /** Family of the backends. */
  readonly outer: Family;
  /** Of the other lookup order: the general path serves DSR. */
  readonly defaultMode?: Mode;
  readonly flags?: number;
  readonly mtu?: number;
  readonly slots?: readonly number[];
  readonly backends?: readonly HandBackend[];
}

export const BACKENDS = 4;
export const macOfBackend = (n: number): Buffer => Buffer.from([2, 0, 0, 3, 0, n]);
const LAN_MAC = Buffer.from('020000000001', 'hex');

export const backendAddress = (outer: Family, n: number): string =>
  outer === 4 ? `10.2.0.${n + 1}` : `fd00:2::${n + 1}`;

/** Slots without a pattern that would hide a wrong hash. */
export const mixedSlots = (size = SLOTS, backends = BACKENDS): number[] =>
  Array.from({ length: size }, (_, n) => ((n * 2654435761) >>> 7) % backends);

export class DsrBed {
  readonly hand: HandMade;
  readonly options: DsrOptions;
  readonly slots: readonly number[];

  constructor(options: DsrOptions) {
    const { mode, outer, defaultMode = mode, flags = 0, mtu = 0 } = options;
    this.options = options;
    this.slots = options.slots ?? mixedSlots();
    this.hand = new HandMade(openKernel(), {
      ...options,
      config: {
        ...vipRanges([
          { address: '10.1.0.0', length: 24 },
          { address: 'fd00:1::', length: 64 },
        ]),
        defaultMode: MODE[defaultMode],
        timeout: [0, 0, 10, 1000, 120, 120, 60, 30, 90].map((seconds) => seconds * 1_000_000),
        ...options.config,
      },
      sizes: {
        ...{ services: 16, maglev_slots: 64, backends: 64, next_hops: 32, flow_records: 65536 },
        ...{ service_counters: 16, service_drops: 512, remember_budgets: 16 },
        ...{
          flows4: 64,
          flows6: 64,
          remembered4: 256,
          remembered6: 256,
          recent4: RECENT_LINES,
          fragments: 64,
        },
        ...options.sizes,
      },
    });
    const backends =
      options.backends ??
      Array.from({ length: BACKENDS }, (_, n) => ({ address: backendAddress(outer, n), nextHop: n + 1 }));
    for (let n = 0; n < BACKENDS; n += 1) {
      this.hand.setNextHop(n + 1, {
        dmac: [...macOfBackend(n)],
        smac: [...LAN_MAC],
        ifindex: DEVICE.lan,
        mtu,
      });
    }
    let index = 1;
    for (const family of [4, 6] as const) {
      for (const protocol of Object.values(PROTOCOLS)) {
        const vip = VIP[family];
        const place = { block: 8 * index, line: 8 * index, sizeClass: 1, slots: this.slots };
        this.hand.addService({ index, vip, port: 80, protocol, mode, flags, backends, ...place });
        index += 1;
      }
    }
  }

  flow(family: Family, protocol: keyof typeof PROTOCOLS = 'tcp', clientPort = 40_000): Flow {
    return {
      client: CLIENT[family],
      vip: VIP[family],
      clientPort,
      vipPort: 80,
      protocol: PROTOCOLS[protocol],
    };
  }

  /** Index of the service, as the constructor gives them. */
  serviceOf(flow: Flow): number {
    return (flow.vip === VIP[4] ? 1 : 3) + (flow.protocol === 6 ? 0 : 1);
  }

  hash(flow: Flow, by: HashedBy = {}): number {
    return hashOf(flow, SEED, by);
  }

  /** Which of the backends the table names. */
  backendOf(flow: Flow, by: HashedBy = {}): number {
    const slot = Number((BigInt(this.hash(flow, by)) * BigInt(this.slots.length)) >> 32n);
    return (this.slots[slot] as number) & 0x7fff;
  }

  run(frame: Buffer): { action: string; data: Buffer } {
    const { returnValue, data } = this.hand.kernel.testRun(this.hand.programFd, {
      data: frame,
      ingressIfindex: DEVICE.lan,
    });
    const actions = Object.entries(ACTIONS[this.hand.hook]);
    return { action: actions.find(([, value]) => value === returnValue)?.[0] ?? `${returnValue}`, data };
  }

  /** Sends the packet and compares every byte that comes out. */
  expectForwarded(packet: Buffer, flow: Flow, by: HashedBy = {}): void {
    const backend = this.backendOf(flow, by);
    const { mode, outer } = this.options;
    const to = backendAddress(outer, backend);
    const out = encapsulated(oneHopOn(packet), { mode, backend: to, hash: this.hash(flow, by) });
    const expected = frameOf(out, { to: macOfBackend(backend), from: LAN_MAC });
    const { action, data } = this.run(frameOf(packet));
    expect({ action, data: data.toString('hex') }).toEqual({ action: 'tx', data: expected.toString('hex') });
  }

  /** Events and drops that were counted since the last call. */
  counted(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const [map, names] of [
      ['event_counters', eventKindNames],
      ['drop_counters', dropReasonNames],
    ] as const) {
      const words = this.hand.kernel.sumPerCpu(this.hand.map(map), 0, 32);
      for (let n = 0; n < 32; n += 1) {
        const count = Number(words[2 * n]);
        if (count > 0) found[names[n] ?? `${map} ${n}`] = count;
      }
      this.hand.kernel.clearPerCpu(this.hand.map(map), 0, 32);
    }
    return found;
  }

  /** Packets, bytes and flows of one of a service's backends. */
  traffic(service: number, backend: number) {
    return this.hand.traffic(8 * service + backend);
  }

  /** Lets the clients of a network use a service that has SERVICE_F_SOURCES. */
  addSourceRange(service: number, address: string, length: number): void {
    const key = {
      prefixLength: 64 + length,
      service,
      family: familyOf(address),
      addr: addressWords(address),
    };
    this.hand.kernel.update(
      this.hand.map('source_ranges'),
      sourceRangeKey.encode(key),
      Uint8Array.of(1, 0, 0, 0),
    );
  }

  setHopState(state: keyof typeof nextHopState): void {
    for (let n = 1; n <= BACKENDS; n += 1) this.hand.setNextHop(n, { state: nextHopState[state] });
  }

  close(): void {
    this.hand.close();
  }
}
