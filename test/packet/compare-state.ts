/** Holds what the programs wrote against what the model has: flows, records, cursors and counters. */
import {
  DROPS_PER_SERVICE,
  dropReason,
  eventKind,
  flowFlag,
  flowForward,
  flowKey4,
  flowRecord,
  sharedKey as sharedKeyLayout,
  snatCursor,
} from '../../src/layout/generated.ts';
import { PORTS, poolSize } from '../model/snat-port.ts';
import {
  type DropReason,
  type EventKind,
  type FlowRecord,
  flowKey,
  freeRecord,
  type ModelState,
  sharedKey,
} from '../model/state.ts';
import type { Bed } from './bed.ts';
import { flowStateNames } from './maps-to-model.ts';

/** How long a packet may be under way on a busy machine; nothing near a limit is compared with it. */
const TICKS = 500;

/** Differences, in words; none when all is equal. */
export function compareState(bed: Bed, state: ModelState, cpu: number): string[] {
  const found: string[] = [];
  const expectEqual = (what: string, real: unknown, model: unknown): void => {
    if (isSame(real, model)) return;
    found.push(`${what}: maps ${JSON.stringify(real)}, model ${JSON.stringify(model)}`);
  };
  compareRecords(bed, state, expectEqual);
  compareFlows(bed, state, expectEqual);
  compareShared(bed, state, expectEqual);
  compareCursors(bed, state, cpu, expectEqual);
  compareCounters(bed, state, expectEqual);
  return found;
}

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
      client: real.client[0],
      clientPort: real.clientPort,
      vip: real.vip[0],
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

function compareFlows(bed: Bed, state: ModelState, expectEqual: ExpectEqual): void {
  const real = new Map(
    bed.kernel.entries(bed.map('flows4')).map(({ key, value }) => {
      const { client, vip, clientPort, vipPort, protocol } = flowKey4.decode(key);
      return [flowKey(client, vip, clientPort, vipPort, protocol), flowForward.decode(value)];
    }),
  );
  for (const [key, model] of state.flows) {
    const entry = real.get(key);
    real.delete(key);
    const forward = entry && { ...pick(entry, model), snatAddress: entry.snatAddr[0] };
    // The clock may tick while a packet is under way; nothing depends on a tick here.
    if (entry && (model.checked - entry.checked) >>> 0 <= TICKS) model.checked = entry.checked;
    expectEqual(`flow ${key}`, forward, model);
  }
  for (const key of real.keys()) expectEqual(`flow ${key}`, 'there', 'not there');
}

function compareShared(bed: Bed, state: ModelState, expectEqual: ExpectEqual): void {
  const real = bed.kernel.entries(bed.map('snat_shared')).map(({ key, value }) => {
    const { backend, backendPort, snatIndex, snatPort, protocol } = sharedKeyLayout.decode(key);
    return [sharedKey(backend[0] ?? 0, backendPort, snatIndex, snatPort, protocol), value.readUInt32LE(0)];
  });
  expectEqual('snat_shared', real.sort(), [...state.shared].sort());
}

function compareCursors(bed: Bed, state: ModelState, cpu: number, expectEqual: ExpectEqual): void {
  const model = state.cursors.get(cpu);
  if (model === undefined) return;
  const memory = bed.memory('snat_cursors');
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  const real = snatCursor.read(view, cpu * snatCursor.size);
  const { portMin, portMax, snat } = state.config;
  const index = real.direct - 1;
  const position = Math.floor(index / PORTS) * (portMax - portMin + 1) + (index % PORTS) - portMin;
  const pool = poolSize({ state }, 4);
  if (real.direct !== 0) expectEqual('cursor', position, model.direct % pool);
  if (real.extra !== 0) expectEqual('extra cursor', real.extra - 1 - snat.length * PORTS, model.extra);
  expectEqual('exhausted at', real.exhaustedAt, model.exhaustedAt);
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
  for (const [name, traffic] of [
    ['service_counters', counters.services],
    ['backend_counters', counters.backends],
  ] as const) {
    const words = read(name);
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
