/**
 * Mode l2 changes nothing in a packet but its MAC addresses: a gateway between here and the backend would
 * route it by its destination, the VIP, and send it back to an LB node. Pure.
 */
import type { Neighbour } from '../node/managed-neighbours.ts';
import type { DesiredService, Problem } from '../services/desired-state.ts';

/** Addresses that a problem names before it only counts. */
const NAMED = 5;

/** Of every problem that is found here. */
const SEGMENT_CODE = 'backend-off-segment';

/**
 * One problem for each Service in mode l2 with backends that are not on a segment of this node. hopOf: whom the
 * kernel asks for a MAC address on the way to an address; undefined when nobody. May pause.
 */
export function* judgeSegments(
  services: readonly DesiredService[],
  hopOf: (address: string) => Neighbour | undefined,
): Generator<void, Problem[]> {
  const found = new Map<string, { readonly service: DesiredService; readonly ways: Map<string, string> }>();
  for (const service of services) {
    yield;
    if (service.mode !== 'l2') continue;
    const key = `${service.namespace}/${service.name}`;
    const entry = found.get(key) ?? { service, ways: new Map<string, string>() };
    found.set(key, entry);
    for (const { address } of service.backends) {
      const way = wayOff(address, hopOf(address));
      if (way !== undefined) entry.ways.set(address, way);
    }
  }
  return [...found.values()].flatMap(({ service, ways }) =>
    ways.size === 0 ? [] : problemOf(service, ways),
  );
}

/** How the way there leaves the segment; undefined: it does not. */
function wayOff(address: string, hop: Neighbour | undefined): string | undefined {
  if (hop === undefined) return 'no way through a device';
  return hop.address === address ? undefined : `behind gateway ${hop.address}`;
}

function problemOf({ namespace, name }: DesiredService, ways: ReadonlyMap<string, string>): Problem {
  const named = [...ways].slice(0, NAMED).map(([address, way]) => `${address} (${way})`);
  const more = ways.size > NAMED ? ` and ${ways.size - NAMED} more` : '';
  return {
    severity: 'error',
    code: SEGMENT_CODE,
    message:
      `mode l2 reaches only backends on a segment of this node, and these are not: ${named.join(', ')}${more}; ` +
      'packets for them are dropped (off-segment). Use mode ipip or gue for this Service (annotation l4lb.io/mode)',
    object: { kind: 'Service', namespace, name },
  };
}
