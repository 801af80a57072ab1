/**
 * What each path may cost. The figures hold on the machine where parsing and one LRU lookup together cost
 * {@link REFERENCE_PARSE_LRU_NS}; elsewhere they scale with what these two cost there.
 */

export const REFERENCE_PARSE_LRU_NS = 26;

export const DSR_PATHS = [
  'dsr-ipip',
  'dsr-ipip-new',
  'dsr-ipip-udp',
  'dsr-ipip6',
  'dsr-gue',
  'dsr-l2',
  'dsr-flooded',
  'dsr-tracked',
] as const;
export type DsrPath = (typeof DSR_PATHS)[number];
export const PATHS = ['pass', 'snat-forward', 'snat-reply', 'snat-new', ...DSR_PATHS] as const;
export type Path = (typeof PATHS)[number];

/** How many tuples are rotated. */
export type Flows = 1 | 65536 | 524288 | 4194304;

export interface Limit {
  /** Nanoseconds a packet on the reference machine. */
  readonly ns: number;
  /** A limit fails the run when it is exceeded and `--enforce` is given; a goal is only shown. */
  readonly kind: 'limit' | 'goal';
}

function dsrGoals(path: DsrPath, ns: number, flows: readonly Flows[]) {
  return flows.map((count) => ({ path, flows: count, ns, kind: 'goal' as const }));
}

/** services: 1 if it is not said. */
const LIMITS: ReadonlyArray<{ path: Path; flows: Flows; services?: number } & Limit> = [
  { path: 'pass', flows: 1, ns: 8, kind: 'limit' },
  { path: 'snat-forward', flows: 1, ns: 70, kind: 'limit' },
  { path: 'snat-forward', flows: 65536, ns: 110, kind: 'goal' },
  // A hash table of this size misses the cache on every lookup: see the floor of the same flows.
  { path: 'snat-forward', flows: 524288, ns: 290, kind: 'goal' },
  { path: 'snat-reply', flows: 1, ns: 30, kind: 'limit' },
  { path: 'snat-reply', flows: 65536, ns: 70, kind: 'goal' },
  { path: 'snat-reply', flows: 524288, ns: 70, kind: 'goal' },
  { path: 'snat-new', flows: 65536, ns: 400, kind: 'goal' },
  { path: 'snat-new', flows: 4194304, ns: 900, kind: 'goal' },
  // Nothing is kept for a flow, so their number makes no difference.
  ...dsrGoals('dsr-ipip', 28, [1, 65536, 524288]),
  // Tables of all services together do not fit a cache.
  { path: 'dsr-ipip', flows: 524288, services: 1000, ns: 50, kind: 'goal' },
  ...dsrGoals('dsr-ipip-new', 28, [65536, 4194304]),
  ...dsrGoals('dsr-ipip-udp', 28, [65536]),
  ...dsrGoals('dsr-ipip6', 45, [1, 524288]),
  ...dsrGoals('dsr-gue', 30, [1]),
  ...dsrGoals('dsr-l2', 28, [1]),
  // After five million SYNs: as before.
  ...dsrGoals('dsr-flooded', 28, [1]),
  { path: 'dsr-tracked', flows: 1, ns: 60, kind: 'goal' },
  { path: 'dsr-tracked', flows: 524288, ns: 200, kind: 'goal' },
];

/** With how many flows and services a path is measured. */
export function casesOf(path: Path): Array<{ flows: Flows; services: number }> {
  return LIMITS.filter((limit) => limit.path === path).map(({ flows, services = 1 }) => ({
    flows,
    services,
  }));
}

/**
 * On the reference machine. Of many services, if nothing is said of so many, that of one. Throws for a path
 * and number of flows that has none.
 */
export function referenceLimit(path: Path, flows: Flows, services = 1): Limit {
  const ofFlows = LIMITS.filter((limit) => limit.path === path && limit.flows === flows);
  const found = ofFlows.find((limit) => (limit.services ?? 1) === services) ?? ofFlows[0];
  if (!found) throw new RangeError(`no limit is known for ${path} with ${flows} flows`);
  return { ns: found.ns, kind: found.kind };
}

/** A figure of the reference machine on a machine where parse + LRU lookup costs `parseLruNs`. */
export function scaledToMachine(ns: number, parseLruNs: number): number {
  if (!(parseLruNs > 0)) throw new RangeError(`parse + LRU lookup can't cost ${parseLruNs} ns`);
  return (ns * parseLruNs) / REFERENCE_PARSE_LRU_NS;
}
