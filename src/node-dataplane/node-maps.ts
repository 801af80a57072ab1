/** The pinned maps of the node programs. */
import { existsSync } from 'node:fs';
import { pinPath } from '../dataplane/maps.ts';
import type { BpfMap, Kernel } from '../kernel/kernel.ts';

const MAPS = [
  'node_targets',
  'node_flows',
  'node_flow_places',
  'node_traffic',
  'node_drops',
  'node_events',
] as const;

export interface NodeMaps {
  readonly maps: Readonly<Record<(typeof MAPS)[number], BpfMap>>;
  /** node_flow_places as memory. */
  readonly places: Buffer;
}

/** By descriptors of their own; undefined when no node program was ever loaded here. */
export function openNodeMaps(
  kernel: Pick<Kernel, 'openPinnedMap' | 'mapMemory'>,
  bpfDirectory: string,
  access: 'read' | 'write',
): NodeMaps | undefined {
  if (!existsSync(pinPath(bpfDirectory, 'node_targets'))) return undefined;
  const entries = MAPS.map((name) => {
    const map = kernel.openPinnedMap(pinPath(bpfDirectory, name));
    if (map === undefined)
      throw new Error(`there is no map ${name}: the pins below ${bpfDirectory} are not complete`);
    return [name, map] as const;
  });
  const maps = Object.fromEntries(entries) as NodeMaps['maps'];
  return { maps, places: kernel.mapMemory(maps.node_flow_places, access) };
}

export function closeNodeMaps(kernel: Pick<Kernel, 'closeFd'>, { maps }: NodeMaps): void {
  for (const map of Object.values(maps)) kernel.closeFd(map.fd);
}
