/** What to tell the operator when the maps have no room: how much there is, who waits, what to change. */

import { SLOTS_PER_LINE } from '../layout/generated.ts';
import type { Problem } from '../services/desired-state.ts';
import type { ActualService } from './actual-state.ts';
import { MOST_BACKENDS } from './backend-blocks.ts';
import type { Room } from './room.ts';
import type { Lack } from './upsert-service.ts';

/** One problem for each pool that was short. lacks: by frontend. */
export function describeLacks(lacks: ReadonlyMap<string, Lack>, room: Room): Problem[] {
  const byPool = new Map<Lack, string[]>();
  for (const [frontend, lack] of lacks) byPool.set(lack, [...(byPool.get(lack) ?? []), frontend]);
  return [...byPool].map(([lack, frontends]) => ({
    severity: 'error',
    code: CODES[lack],
    message: `${reasonOf(lack, room)}; ${frontends.length} of the services wait and keep what they had: ${listed(frontends)}`,
  }));
}

/** Backends that are forwarded to by the kernel, because there was no next hop for them. */
export function describeUnrouted(
  services: ReadonlyMap<number | bigint, ActualService>,
  room: Room,
): Problem[] {
  if (!room.nextHops.wasFull) return [];
  let count = 0;
  for (const service of services.values()) {
    if (service.settled !== undefined) continue;
    for (const member of service.members.values()) count += member.nextHop === 0 ? 1 : 0;
  }
  if (count === 0) return [];
  return [
    {
      severity: 'warning',
      code: 'next-hops-full',
      message: `${count} backends have no next hop, because all ${room.nextHops.capacity} are taken; their packets go through the kernel, which is slower. Raise limits.nextHops`,
    },
  ];
}

const CODES: Record<Lack, string> = {
  services: 'services-full',
  vips: 'vips-full',
  backends: 'backends-full',
  block: 'too-many-backends',
  slots: 'slots-full',
  frontends: 'frontends-full',
  sources: 'source-ranges-full',
};

function reasonOf(lack: Lack, room: Room): string {
  switch (lack) {
    case 'services':
      return `all ${room.services.used} service entries are taken: raise limits.services`;
    case 'vips':
      return `all ${room.vips.used} entries for VIPs are taken: raise limits.services`;
    case 'backends':
      return `no block of backends is free (${room.blocks.free} of ${room.blocks.entries} entries are, scattered): raise limits.backends`;
    case 'block':
      return `a service has more than ${MOST_BACKENDS} backends, which is the most a table can name: split it`;
    case 'slots':
      return `no room for a Maglev table (${room.slots.free * SLOTS_PER_LINE} of ${room.slots.lines * SLOTS_PER_LINE} slots are free): raise limits.slots or lower maglev.slots`;
    case 'frontends':
      return 'the frontend table has no place left: raise limits.services';
    case 'sources':
      return `the table of source ranges has no room (${room.sources.used} of ${room.sources.capacity} are taken): list fewer ranges`;
  }
}

function listed(frontends: readonly string[]): string {
  const shown = frontends.slice(0, 5).join(', ');
  return frontends.length > 5 ? `${shown}, ...` : shown;
}
