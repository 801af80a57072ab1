/** The flows that programs remember while windows are open, read batch by batch. */
import { ageOf, type RememberedFlow } from '../consistency/settle-window.ts';
import type { BpfMap, Kernel } from '../kernel/kernel.ts';
import {
  backend as backendLayout,
  backendState,
  flowKey4,
  flowKey6,
  flowState,
  KEY_OF_CLIENT,
  rememberedFlow,
} from '../layout/generated.ts';
import type { ServiceHash } from '../maglev/service-hash.ts';
import { readAddress } from '../net/address.ts';
import type { ActualService } from './actual-state.ts';
import { keyNumber } from './frontend-key.ts';
import type { DataplaneMaps } from './maps.ts';
import type { JiffiesClock } from './next-hop-table.ts';
import { tableSlots } from './table-word.ts';

export interface WalkContext {
  readonly kernel: Pick<Kernel, 'batches'>;
  readonly maps: DataplaneMaps;
  readonly clock: JiffiesClock;
  readonly services: ReadonlyMap<number | bigint, ActualService>;
  readonly hash: ServiceHash;
  /** Jiffies by enum flow_state. */
  readonly timeouts: readonly number[];
  /** Milliseconds of walking before others get a turn. */
  readonly slice: number;
}

/** An entry of remembered4 or remembered6. */
export interface MetFlow extends RememberedFlow {
  readonly map: BpfMap;
  readonly key: Buffer;
  /** Undefined: no service has the frontend, or it has no table. */
  readonly service: ActualService | undefined;
  readonly backend: number;
  readonly generation: number;
}

/** A backend that is there, but has no place in the service's block. */
const ELSEWHERE = -1;

export async function walkRemembered(context: WalkContext, visit: (flow: MetFlow) => void): Promise<void> {
  const { kernel, maps, slice } = context;
  const positions = new Map<ActualService, Map<number, number>>();
  let until = performance.now() + slice;
  for (const [map, family] of [
    [maps.others.remembered4, 4],
    [maps.others.remembered6, 6],
  ] as const) {
    for (const { keys, values, count } of kernel.batches(map)) {
      const now = context.clock.now();
      const keyView = new DataView(keys.buffer, keys.byteOffset, keys.length);
      const valueView = new DataView(values.buffer, values.byteOffset, values.length);
      for (let i = 0; i < count; i++) {
        const key = keys.subarray(i * map.keySize, (i + 1) * map.keySize);
        const about = { map, key, family, now, positions };
        visit(readFlow(context, about, keyView, i * map.keySize, valueView, i * map.valueSize));
      }
      if (performance.now() < until) continue;
      await new Promise((resolve) => setImmediate(resolve));
      until = performance.now() + slice;
    }
  }
}

interface About {
  readonly map: BpfMap;
  readonly key: Buffer;
  readonly family: 4 | 6;
  readonly now: number;
  readonly positions: Map<ActualService, Map<number, number>>;
}

function readFlow(
  { maps, services, hash, timeouts }: WalkContext,
  { map, key, family, now, positions }: About,
  keys: DataView,
  at: number,
  values: DataView,
  valueAt: number,
): MetFlow {
  const { offsets } = family === 4 ? flowKey4 : flowKey6;
  const { backend: named, backendGeneration, state, seen } = rememberedFlow.offsets;
  const protocol = keys.getUint32(at + offsets.protocol, true);
  const frontend = {
    vip: readAddress(keys, at + offsets.vip, family),
    port: keys.getUint16(at + offsets.vipPort, false),
    protocol: protocol & ~KEY_OF_CLIENT,
  };
  const service = services.get(keyNumber(frontend));
  const slots = service === undefined ? 0 : tableSlots(service.table);
  const backend = values.getUint32(valueAt + named, true);
  const generation = values.getUint16(valueAt + backendGeneration, true);
  const flow = values.getUint8(valueAt + state);
  // A client of a service with affinity is kept as long as an idle connection.
  const isClient = (protocol & KEY_OF_CLIENT) !== 0;
  const found = service === undefined || slots === 0 ? undefined : service;
  const isThere = found !== undefined && isAlive(maps, found, backend, generation);
  return {
    map,
    key,
    service: found,
    backend,
    generation,
    slot:
      found === undefined
        ? 0
        : Math.floor((hash.of(keys, at, family, offsets, found.flags) * slots) / 2 ** 32),
    owner: isThere ? (positionsOf(found, positions).get(backend) ?? ELSEWHERE) : undefined,
    idle: ageOf(now, values.getUint32(valueAt + seen, true)),
    timeout: timeouts[isClient ? flowState.FLOW_ESTABLISHED : flow] ?? 0,
  };
}

function isAlive(maps: DataplaneMaps, service: ActualService, index: number, generation: number): boolean {
  const { view, stride, entries } = maps.arrays.backends;
  if (index >= entries) return false;
  const { state, generation: life, service: owner } = backendLayout.offsets;
  const at = index * stride;
  return (
    view.getUint8(at + state) !== backendState.BACKEND_FREE &&
    view.getUint16(at + life, true) === generation &&
    view.getUint32(at + owner, true) === service.index
  );
}

/** By index of the entry: the place in the block of the backend that it stands for, also of an outgrown one. */
function positionsOf(
  service: ActualService,
  known: Map<ActualService, Map<number, number>>,
): Map<number, number> {
  let positions = known.get(service);
  if (positions === undefined) {
    positions = new Map();
    for (const { index } of service.members.values()) positions.set(index, index - service.table.block);
    for (const { index, endpoint } of service.former) {
      const member = service.members.get(endpoint);
      if (member !== undefined) positions.set(index, member.index - service.table.block);
    }
    known.set(service, positions);
  }
  return positions;
}
