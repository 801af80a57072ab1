/** Holds what the programs wrote against what the model has: flows, records, cursors and counters. */
import { sumByService } from '../../src/dataplane/retired-traffic.ts';
import { readRetired, sumTraffic } from '../../src/dataplane/traffic-counters.ts';
import {
  addressFamily,
  DROPS_PER_SERVICE,
  dropReason,
  eventKind,
  type FlowForward,
  flowFlag,
  flowForward,
  flowKey4,
  flowKey6,
  flowRecord,
  fragmentKey as fragmentKeyLayout,
  sharedKey as sharedKeyLayout,
  snatCursor,
} from '../../src/layout/generated.ts';
import type { Address } from '../model/bytes.ts';
import { CURSORS_V6, PORTS, poolOf, poolSize } from '../model/snat-port.ts';
import {
  type DropReason,
  type EventKind,
  type FlowRecord,
  flowKey,
  fragmentKey,
  freeRecord,
  type ModelState,
  sharedKey,
} from '../model/state.ts';
import type { Bed } from './bed.ts';
import { addressOf, flowStateNames } from './maps-to-model.ts';
import { readRemembered } from './remembered.ts';

/** How long a packet may be under way on a busy machine; nothing near a limit is compared with it. */
const TICKS = 500;

/** Differences, in words; none when all is equal. */
export function compareState(bed: Bed, state: ModelState, cpu: number): string[] {
  const found: string[] = [];
  const expectEqual = (what: string, real: unknown, model: unknown): void => {
    if (isSame(real, model)) return;
    found.push(`${what}: maps ${inWords(real)}, model ${inWords(model)}`);
  };
  compareRecords(bed, state, expectEqual);
  compareFlows(bed, state, expectEqual);
  compareShared(bed, state, expectEqual);
  compareFragments(bed, state, expectEqual);
  compareRemembered(bed, state, expectEqual);
  compareCursors(bed, state, cpu, expectEqual);
  compareCounters(bed, state, expectEqual);
  return found;
}

const inWords = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `0x${part.toString(16)}` : part));

/** Plain values, arrays and objects of the same keys. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => isSame(a[key as keyof typeof a], b[key as keyof typeof b]));
}

type ExpectEqual = (what: string, real: unknown, model: unknown) => void;

/** Indexes of all records that packets can use. */
export function* recordIndexes(state: ModelState): Generator<number> {
  const { snat, portMin, portMax, extraRecords } = state.config;
  for (let address = 0; address < snat.length; address += 1) {
    for (let port = portMin; port <= portMax; port += 1) yield address * PORTS + port;
  }
  for (let extra = 0; extra < extraRecords; extra += 1) yield snat.length * PORTS + extra;
}

/** Of a free record only its generation, its stamp and its sharing count. */
function compareRecords(bed: Bed, state: ModelState, expectEqual: ExpectEqual): void {
  const { view, stride } = bed.maps.arrays.flow_records;
  const free = freeRecord();
  for (const index of recordIndexes(state)) {
    const at = index * stride;
    const model = state.records.get(index) ?? free;
    // Most are as they were; looking at the last word first saves decoding them.
    const isUntouched = model === free && view.getBigUint64(at + flowRecord.offsets.seen, true) === 0n;
    if (isUntouched) continue;
    const real = flowRecord.read(view, at);
    const life = {
      state: flowStateNames.get(real.state),
      generation: real.generation,
      seen: real.seen,
      shared: (real.flags & flowFlag.FLOW_F_SHARED) !== 0,
    };
    expectEqual(`record ${index}`, life, lifeOf(model));
    if (model.state === 'FLOW_FREE') continue;
    const details = {
      client: addressOf(real.client, familyOf(real.flags)),
      clientPort: real.clientPort,
      vip: addressOf(real.vip, familyOf(real.flags)),
      vipPort: real.vipPort,
      protocol: real.protocol,
      backend: real.backend,
      backendGeneration: real.backendGeneration,
      service: real.service,
      snatIndex: real.snatIndex,
      snatPort: real.snatPort,
      extra: (real.flags & flowFlag.FLOW_F_EXTRA) !== 0,
      detached: (real.flags & flowFlag.FLOW_F_DETACHED) !== 0,
    };
    expectEqual(`record ${index}`, details, pick(model, details));
  }
}

const lifeOf = ({ state, generation, seen, shared }: FlowRecord) => ({ state, generation, seen, shared });

function pick<T extends object>(from: T, like: object): Partial<T> {
  return Object.fromEntries(Object.keys(like).map((key) => [key, from[key as keyof T]])) as Partial<T>;
}

const familyOf = (flags: number): number =>
  flags & flowFlag.FLOW_F_V6 ? addressFamily.FAMILY_V6 : addressFamily.FAMILY_V4;

type RealFlow = readonly [key: string, flow: FlowForward & { readonly snatAddress: Address }];

function readFlows4(bed: Bed): RealFlow[] {
  return bed.kernel.entries(bed.map('flows4')).map(({ key, value }) => {
    const { client, vip, clientPort, vipPort, protocol } = flowKey4.decode(key);
    const flow = flowForward.decode(value);
    const snatAddress = addressOf(flow.snatAddr, addressFamily.FAMILY_V4);
    return [flowKey(client, vip, clientPort, vipPort, protocol), { ...flow, snatAddress }];
  });
}

function readFlows6(bed: Bed): RealFlow[] {
  return bed.kernel.entries(bed.map('flows6')).map(({ key, value }) => {
    const { client, vip, clientPort, vipPort, protocol } = flowKey6.decode(key);
    const flow = flowForward.decode(value);
    const v6 = (words: readonly number[]): Address => addressOf(words, addressFamily.FAMILY_V6);
    const name = flowKey(v6(client), v6(vip), clientPort, vipPort, protocol);
    return [name, { ...flow, snatAddress: v6(flow.snatAddr) }];
  });
}

/** What first fragments taught; the clock may have ticked meanwhile. */
function compareFragments(bed: Bed, state: ModelState, expectEqual: ExpectEqual): void {
  const real = bed.kernel.entries(bed.map('fragments')).map(({ key, value }) => {
    const { source, destination, id, protocol, family } = fragmentKeyLayout.decode(key);
    const name = fragmentKey(
      addressOf(source, family),
      addressOf(destination, family),
      wireId(id, family),
      protocol,
    );
    return [name, value.readUInt16BE(0), value.readUInt16BE(2)];
  });
  const model = [...state.fragments].map(([name, { sourcePort, destinationPort }]) => [
    name,
    sourcePort,
    destinationPort,
  ]);
  expectEqual('fragments', real.sort(), model.sort());
}

/** The id as on the wire: of 16 bits for IPv4, of 32 for IPv6. */
function wireId(loaded: number, family: number): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(loaded);
  return family === addressFamily.FAMILY_V6 ? bytes.readUInt32BE(0) : bytes.readUInt16BE(0);
}

function compareFlows(bed: Bed, state: ModelState, expectEqual: ExpectEqual): void {
  const real = new Map([...readFlows4(bed), ...readFlows6(bed)]);
  for (const [key, model] of state.flows) {
    const entry = real.get(key);
    real.delete(key);
    const forward = entry && { ...pick(entry, model), snatAddress: entry.snatAddress };
    // The clock may tick while a packet is under way; nothing depends on a tick here.
    if (entry && (model.checked - entry.checked) >>> 0 <= TICKS) model.checked = entry.checked;
    expectEqual(`flow ${key}`, forward, model);
  }
  for (const key of real.keys()) expectEqual(`flow ${key}`, 'there', 'not there');
}

/** The clock may tick while a packet is under way here too. */
function compareRemembered(bed: Bed, state: ModelState, expectEqual: ExpectEqual): void {
  for (const family of [4, 6] as const) {
    const real = readRemembered(bed, family);
    for (const [key, model] of state.remembered[family]) {
      const entry = real.get(String(key));
      real.delete(String(key));
      if (entry !== undefined && (model.seen - entry.seen) >>> 0 <= TICKS) model.seen = entry.seen;
      expectEqual(`remembered ${key}`, entry, model);
    }
    for (const key of real.keys()) expectEqual(`remembered ${key}`, 'there', 'not there');
  }
}

function compareShared(bed: Bed, state: ModelState, expectEqual: ExpectEqual): void {
  const real = bed.kernel.entries(bed.map('snat_shared')).map(({ key, value }) => {
    const { backend, backendPort, snatIndex, snatPort, protocol, family } = sharedKeyLayout.decode(key);
    return [
      sharedKey(addressOf(backend, family), backendPort, snatIndex, snatPort, protocol),
      value.readUInt32LE(0),
    ];
  });
  expectEqual('snat_shared', real.sort(), [...state.shared].sort());
}

function compareCursors(bed: Bed, state: ModelState, cpu: number, expectEqual: ExpectEqual): void {
  compareCursor(bed, state, 4, cpu, expectEqual);
  compareCursor(bed, state, 6, cpu + CURSORS_V6, expectEqual);
}

function compareCursor(
  bed: Bed,
  state: ModelState,
  family: 4 | 6,
  place: number,
  expectEqual: ExpectEqual,
): void {
  const model = state.cursors.get(place);
  if (model === undefined) return;
  const memory = bed.memory('snat_cursors');
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  const real = snatCursor.read(view, place * snatCursor.size);
  const { portMin, portMax, snat } = state.config;
  const index = real.direct - 1;
  const address = Math.floor(index / PORTS) - poolOf({ state }, family).first;
  const position = address * (portMax - portMin + 1) + (index % PORTS) - portMin;
  const pool = poolSize({ state }, family);
  const what = `of IPv${family}`;
  if (real.direct !== 0) expectEqual(`cursor ${what}`, position, model.direct % pool);
  if (real.extra !== 0)
    expectEqual(`extra cursor ${what}`, real.extra - 1 - snat.length * PORTS, model.extra);
  expectEqual(`exhausted at, ${what}`, real.exhaustedAt, model.exhaustedAt);
}

function compareCounters(bed: Bed, state: ModelState, expectEqual: ExpectEqual): void {
  const { counters } = state;
  const read = (name: string): BigUint64Array =>
    bed.kernel.sumPerCpu(bed.map(name), 0, bed.map(name).maxEntries);
  const drops = read('drop_counters');
  for (const [name, index] of Object.entries(dropReason)) {
    const model = counters.drops.get(name as DropReason) ?? { packets: 0, bytes: 0 };
    expectEqual(name, [Number(drops[index * 2]), Number(drops[index * 2 + 1])], [model.packets, model.bytes]);
  }
  const events = read('event_counters');
  for (const [name, index] of Object.entries(eventKind)) {
    const model = counters.events.get(name as EventKind) ?? { packets: 0, bytes: 0 };
    expectEqual(
      name,
      [Number(events[index * 2]), Number(events[index * 2 + 1])],
      [model.packets, model.bytes],
    );
  }
  const { service_counters: retired, backends } = bed.maps.arrays;
  const ofBackends = sumTraffic(bed.maps, 0, backends.entries);
  const ofServices = sumByService(bed.maps, readRetired(bed.maps, 0, retired.entries), ofBackends);
  for (const [name, words, traffic] of [
    ['service', ofServices, counters.services],
    ['backend', ofBackends, counters.backends],
  ] as const) {
    for (const [index, { packetsIn, bytesIn, packetsOut, bytesOut, flows }] of traffic) {
      const real = Array.from(words.subarray(index * 8, index * 8 + 5), Number);
      expectEqual(`${name} ${index}`, real, [packetsIn, bytesIn, packetsOut, bytesOut, flows]);
    }
  }
  const serviceDrops = read('service_drops');
  for (const service of state.services.keys()) {
    for (const [reason, index] of Object.entries(dropReason)) {
      const real = Number(serviceDrops[service * DROPS_PER_SERVICE + index] ?? 0n);
      expectEqual(
        `${reason} of service ${service}`,
        real,
        counters.serviceDrops.get(`${service} ${reason}`) ?? 0,
      );
    }
  }
}
