/** docs/packet-path.md, section 7: a SNAT port for a new flow. */
import { isV6 } from './bytes.ts';
import { backendOf, isExpired } from './flow.ts';
import { countEvent, type Run } from './run.ts';
import { age, type Backend, type Cursor, type FlowRecord, flowKey, recordAt, sharedKey } from './state.ts';

/** Where a new flow lives. */
export interface Place {
  readonly record: number;
  readonly snatIndex: number;
  readonly snatPort: number;
  /** For extra records: the key under which snat_shared names the record. */
  readonly sharedAs?: string;
}

const LONGEST_WALK = 512;
const ENOUGH_TO_SHARE = 32;
export const PORTS = 65536;

/** Undefined: no port is left. */
export function allocatePort(run: Run, protocol: number, backend: Backend, family: 4 | 6): Place | undefined {
  const cursor = cursorOf(run, family);
  if (poolSize(run, family) === 0) return undefined;
  if (cursor.exhaustedAt !== 0 && cursor.exhaustedAt === run.now) return undefined;
  const walk = walkDirect(run, cursor, protocol, backend, family);
  if (walk.claimed !== undefined) return directPlace(walk.claimed);
  if (walk.toShare !== undefined) {
    const place = share(run, cursor, walk.toShare, protocol, backend);
    if (place !== undefined) return place;
  }
  if (walk.closedLongest !== undefined && claim(run, walk.closedLongest, protocol, backend)) {
    countEvent(run, 'EVENT_SNAT_REUSED_EARLY', 0);
    return directPlace(walk.closedLongest);
  }
  cursor.exhaustedAt = run.now;
  return undefined;
}

/** Undoes an allocation. */
export function releasePort(run: Run, place: Place): void {
  recordAt(run.state, place.record).state = 'FLOW_FREE';
  if (place.sharedAs !== undefined) run.state.shared.delete(place.sharedAs);
}

interface Walk {
  readonly claimed?: number;
  readonly toShare?: number;
  readonly closedLongest?: number;
}

function walkDirect(run: Run, cursor: Cursor, protocol: number, backend: Backend, family: 4 | 6): Walk {
  const pool = poolSize(run, family);
  let toShare: number | undefined;
  let closedLongest: number | undefined;
  for (let looked = 1; looked <= Math.min(LONGEST_WALK, pool); looked += 1) {
    const index = directRecord(run, cursor.direct, family);
    cursor.direct = (cursor.direct + 1) % pool;
    const record = recordAt(run.state, index);
    if (isAvailable(run, record)) {
      if (claim(run, index, protocol, backend)) return { claimed: index };
    } else if (record.state === 'FLOW_CLAIMED') {
      continue;
    } else if (isToldApart(run, record, protocol, backend)) {
      if (!run.state.shared.has(keyOf(index, protocol, backend))) toShare ??= index;
    } else if (record.state === 'FLOW_CLOSED' && isClosedLonger(run, record, closedLongest)) {
      closedLongest = index;
    }
    if (looked >= ENOUGH_TO_SHARE && toShare !== undefined) break;
  }
  return {
    ...(toShare === undefined ? {} : { toShare }),
    ...(closedLongest === undefined ? {} : { closedLongest }),
  };
}

const isAvailable = (run: Run, record: FlowRecord): boolean =>
  record.state === 'FLOW_FREE' || isExpired(run, record);

/** Whether an answer would tell this record's flow from a flow to `backend`. */
function isToldApart(run: Run, record: FlowRecord, protocol: number, backend: Backend): boolean {
  if (record.protocol !== protocol) return true;
  const isThere = backendOf(run, record.backend, record.backendGeneration) !== undefined;
  return isThere && (record.backendAddress !== backend.address || record.backendPort !== backend.port);
}

function isClosedLonger(run: Run, record: FlowRecord, than: number | undefined): boolean {
  if (than === undefined) return true;
  return age(run.now, record.seen) > age(run.now, recordAt(run.state, than).seen);
}

/** Takes a direct record; false if another flow of this backend has the port by sharing. */
function claim(run: Run, index: number, protocol: number, backend: Backend): boolean {
  const record = recordAt(run.state, index);
  const former = { ...record };
  take(run, record, false);
  removeHalves(run, index, former);
  if (record.shared && run.state.shared.has(keyOf(index, protocol, backend))) {
    record.state = 'FLOW_FREE';
    return false;
  }
  return true;
}

function take(run: Run, record: FlowRecord, isExtra: boolean): void {
  record.seen = run.now;
  record.generation = (record.generation + 1) & 0xffff;
  record.state = 'FLOW_CLAIMED';
  record.extra = isExtra;
  record.detached = false;
}

function removeHalves(run: Run, index: number, former: FlowRecord): void {
  if (former.state === 'FLOW_FREE') return;
  const { flows, shared } = run.state;
  const key = flowKey(former.client, former.vip, former.clientPort, former.vipPort, former.protocol);
  const flow = flows.get(key);
  if (flow?.record === index && flow.recordGeneration === former.generation) flows.delete(key);
  if (!former.extra) return;
  const { backendAddress, backendPort, snatIndex, snatPort, protocol } = former;
  shared.delete(sharedKey(backendAddress, backendPort, snatIndex, snatPort, protocol));
}

/** A second flow on the port of a direct record, kept in an extra record. */
function share(
  run: Run,
  cursor: Cursor,
  direct: number,
  protocol: number,
  backend: Backend,
): Place | undefined {
  const { shared, config } = run.state;
  const extra = walkExtra(run, cursor);
  if (extra === undefined) return undefined;
  const sharedAs = keyOf(direct, protocol, backend);
  // It only says that snat_shared is worth a look, so it may stay when the key finds no room.
  recordAt(run.state, direct).shared = true;
  if (shared.has(sharedAs) || shared.size >= config.maxShared) {
    recordAt(run.state, extra).state = 'FLOW_FREE';
    return undefined;
  }
  shared.set(sharedAs, extra);
  countEvent(run, 'EVENT_SNAT_SHARED', 0);
  return { ...directPlace(direct), record: extra, sharedAs };
}

function walkExtra(run: Run, cursor: Cursor): number | undefined {
  const { extraRecords, snat } = run.state.config;
  for (let looked = 1; looked <= Math.min(LONGEST_WALK, extraRecords); looked += 1) {
    const index = snat.length * PORTS + cursor.extra;
    cursor.extra = (cursor.extra + 1) % extraRecords;
    const record = recordAt(run.state, index);
    if (!isAvailable(run, record)) continue;
    const former = { ...record };
    take(run, record, true);
    removeHalves(run, index, former);
    return index;
  }
  return undefined;
}

/** The family's SNAT addresses: how many, and the number of the first. */
export function poolOf({ state: { config } }: Pick<Run, 'state'>, family: 4 | 6) {
  const first = config.snat.findIndex(({ address }) => isV6(address));
  const v4 = first < 0 ? config.snat.length : first;
  return family === 4 ? { first: 0, count: v4 } : { first: v4, count: config.snat.length - v4 };
}

export const poolSize = (run: Pick<Run, 'state'>, family: 4 | 6): number =>
  poolOf(run, family).count * (run.state.config.portMax - run.state.config.portMin + 1);

function directRecord(run: Run, position: number, family: 4 | 6): number {
  const { portMin, portMax } = run.state.config;
  const ports = portMax - portMin + 1;
  const number = poolOf(run, family).first + Math.floor(position / ports);
  return number * PORTS + portMin + (position % ports);
}

const directPlace = (index: number): Place => ({
  record: index,
  snatIndex: Math.floor(index / PORTS),
  snatPort: index % PORTS,
});

const keyOf = (direct: number, protocol: number, backend: Backend): string =>
  sharedKey(backend.address, backend.port, Math.floor(direct / PORTS), direct % PORTS, protocol);

/** Where the cursors of IPv6 begin. */
export const CURSORS_V6 = 512;

function cursorOf(run: Run, family: 4 | 6): Cursor {
  const { cursors, config } = run.state;
  const index = family === 4 ? run.cpu : run.cpu + CURSORS_V6;
  let cursor = cursors.get(index);
  if (cursor === undefined) {
    const share = (records: number): number => Math.floor((run.cpu * records) / config.cpus);
    cursor = { direct: share(poolSize(run, family)), extra: share(config.extraRecords), exhaustedAt: 0 };
    cursors.set(index, cursor);
  }
  return cursor;
}
