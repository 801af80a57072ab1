/** Maps that an agent of another layout left pinned. */
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { layout } from '../layout/generated.ts';
import { mapsDirectory } from './maps.ts';

/**
 * Takes their pins away. To be called when no device has a program of that layout any more: nothing else
 * reads them, and they hold as much memory as those in use.
 */
export function leaveFormerMaps(
  bpfDirectory: string,
  log: { info(fields: object, message: string): void },
): void {
  const directory = mapsDirectory(bpfDirectory);
  const former = readdirSync(directory).filter((name) => {
    const version = /_v(\d+)$/.exec(name)?.[1];
    return version !== undefined && Number(version) !== layout.LAYOUT_VERSION;
  });
  for (const name of former) unlinkSync(join(directory, name));
  if (former.length > 0) log.info({ maps: former }, 'removed the maps of another layout, with their flows');
}
