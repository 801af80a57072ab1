/**
 * How a service's packets travel, and who may come: the flags, and what has to be there before them. A
 * packet meets the table first and the flags later or the other way round, so that every entry that the
 * table names suits both the former and the next mode while they change; only from one tunnel to the
 * other some packets may leave with a wrong outer checksum.
 */
import type { ActualBackend, ActualService } from './actual-state.ts';
import { storeFlags, storeOuterChecksum } from './entry-writes.ts';
import type { DataplaneMaps } from './maps.ts';
import type { ServiceChange } from './plan.ts';
import type { Retirement } from './retirement.ts';
import type { Room } from './room.ts';
import { isDsr } from './service-flags.ts';
import type { Stores } from './stores.ts';

export interface ModeContext {
  readonly maps: DataplaneMaps;
  readonly stores: Stores;
  readonly room: Room;
  readonly retirement: Retirement;
}

/** Lets further clients in; before the flag says that there is a list. */
export function addSources(
  { stores, room }: ModeContext,
  service: ActualService,
  ranges: readonly string[],
): void {
  for (const range of ranges) {
    if (service.sources.has(range)) continue;
    room.sources.add(stores, { service: service.index, range });
    service.sources.add(range);
  }
}

/**
 * Before the table is switched: entries get what the next mode needs. A table of a DSR mode may name
 * backends that drain, which in SNAT no flow may begin with: on the way there the flags come first.
 */
export function prepareMode(context: ModeContext, service: ActualService, change: ServiceChange): void {
  addSources(context, service, change.addSources);
  for (const { entry, checksum } of change.restamp) if (checksum !== 0) stamp(context, entry, checksum);
  if (!isDsr(service.flags) && isDsr(change.flags)) setFlags(context, service, change.flags);
}

function setFlags({ maps, stores }: ModeContext, service: ActualService, flags: number): void {
  if (service.flags === flags) return;
  storeFlags(maps, stores, service.index, flags);
  service.flags = flags;
}

/** After the table was switched: the flags, and then what no packet needs any more. */
export function finishMode(context: ModeContext, service: ActualService, change: ServiceChange): void {
  const { retirement } = context;
  setFlags(context, service, change.flags);
  const checksums = new Map(change.wanted.map(({ endpoint, outerChecksum }) => [endpoint, outerChecksum]));
  for (const entry of [...service.members.values(), ...service.former]) {
    const checksum = checksums.get(entry.endpoint);
    if (checksum !== undefined && checksum !== entry.outerChecksum) stamp(context, entry, checksum);
  }
  for (const range of change.dropSources) retirement.source(service, range);
}

function stamp({ maps, stores }: ModeContext, entry: ActualBackend, checksum: number): void {
  storeOuterChecksum(maps, stores, entry.index, checksum);
  entry.outerChecksum = checksum;
}
