/** The dataplane's maps by name, and the mapped arrays as typed memory. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BpfMap, Kernel } from '../kernel/kernel.ts';
import { layout } from '../layout/generated.ts';

/** Arrays that are read and written as memory. */
export const MAPPED_ARRAYS = [
  'frontends',
  'services',
  'maglev_slots',
  'backends',
  'next_hops',
  'flow_records',
  'traffic_in',
  'traffic_out',
  'service_counters',
] as const;

/** Maps that are reached by system calls; `service_counters` is written so, because a call is whole or nothing. */
export const OTHER_MAPS = [
  'frontend_overflow',
  'egress_devices',
  'source_ranges',
  'flows4',
  'flows6',
  'remembered4',
  'remembered6',
  'snat_shared',
  'snat_cursors',
  'service_counters',
  'drop_counters',
  'event_counters',
  'service_drops',
  'answer_budgets',
] as const;

export type MappedArrayName = (typeof MAPPED_ARRAYS)[number];
export type OtherMapName = (typeof OTHER_MAPS)[number];

/** A mapped array: value i begins at `i * stride` of the memory. */
export interface MappedArray {
  readonly name: MappedArrayName;
  readonly memory: Buffer;
  readonly view: DataView;
  readonly stride: number;
  readonly entries: number;
}

export interface DataplaneMaps {
  readonly arrays: Readonly<Record<MappedArrayName, MappedArray>>;
  readonly others: Readonly<Record<OtherMapName, BpfMap>>;
}

/** Throws when one of the maps is not there: the object and this list belong to one build. */
export function mapDataplane(
  kernel: Pick<Kernel, 'mapMemory'>,
  maps: ReadonlyMap<string, BpfMap>,
  access: 'read' | 'write',
): DataplaneMaps {
  const find = (name: string): BpfMap => {
    const map = maps.get(name);
    if (map === undefined)
      throw new Error(
        `there is no map ${name}: the pins are not complete, or the BPF object is of another build`,
      );
    return map;
  };
  const arrays = Object.fromEntries(
    MAPPED_ARRAYS.map((name) => [name, mappedArray(kernel, name, find(name), access)]),
  ) as Record<MappedArrayName, MappedArray>;
  const others = Object.fromEntries(OTHER_MAPS.map((name) => [name, find(name)])) as Record<
    OtherMapName,
    BpfMap
  >;
  return { arrays, others };
}

function mappedArray(
  kernel: Pick<Kernel, 'mapMemory'>,
  name: MappedArrayName,
  map: BpfMap,
  access: 'read' | 'write',
): MappedArray {
  const memory = kernel.mapMemory(map, access);
  return {
    name,
    memory,
    view: new DataView(memory.buffer, memory.byteOffset, memory.byteLength),
    stride: (map.valueSize + 7) & ~7,
    entries: map.maxEntries,
  };
}

/** Where the maps are pinned. */
export function mapsDirectory(bpfDirectory: string): string {
  return join(bpfDirectory, 'maps');
}

/** Where the links are pinned. */
export function linksDirectory(bpfDirectory: string): string {
  return join(bpfDirectory, 'links');
}

export function pinPath(bpfDirectory: string, map: string): string {
  return join(mapsDirectory(bpfDirectory), `${map}_v${layout.LAYOUT_VERSION}`);
}

/**
 * The pinned maps, by descriptors of their own; undefined when no dataplane of this layout was ever loaded
 * here.
 */
export function openPinnedDataplane(
  kernel: Kernel,
  bpfDirectory: string,
  access: 'read' | 'write',
): DataplaneMaps | undefined {
  if (!existsSync(pinPath(bpfDirectory, 'services'))) return undefined;
  const maps = new Map<string, BpfMap>();
  for (const name of [...MAPPED_ARRAYS, ...OTHER_MAPS]) {
    const map = kernel.openPinnedMap(pinPath(bpfDirectory, name));
    if (map !== undefined) maps.set(name, map);
  }
  const mapped = mapDataplane(kernel, maps, access);
  // The mapping holds the map by itself.
  const calls: readonly string[] = OTHER_MAPS;
  for (const name of MAPPED_ARRAYS.filter((name) => !calls.includes(name)))
    kernel.closeFd((maps.get(name) as BpfMap).fd);
  return mapped;
}
