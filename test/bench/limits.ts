/**
 * What each path may cost. The figures hold on the machine where parsing and one LRU lookup together cost
 * {@link REFERENCE_PARSE_LRU_NS}; elsewhere they scale with what these two cost there.
 */

export const REFERENCE_PARSE_LRU_NS = 26;

export const PATHS = ['pass', 'snat-forward', 'snat-reply', 'snat-new'] as const;
export type Path = (typeof PATHS)[number];

/** How many tuples are rotated. */
export type Flows = 1 | 65536 | 524288 | 4194304;

export interface Limit {
  /** Nanoseconds a packet on the reference machine. */
  readonly ns: number;
  /** A limit fails the run when it is exceeded and `--enforce` is given; a goal is only shown. */
  readonly kind: 'limit' | 'goal';
}

const LIMITS: ReadonlyArray<{ path: Path; flows: Flows } & Limit> = [
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
];

/** On the reference machine. Throws for a path and number of flows that has none. */
export function referenceLimit(path: Path, flows: Flows): Limit {
  const found = LIMITS.find((limit) => limit.path === path && limit.flows === flows);
  if (!found) throw new RangeError(`no limit is known for ${path} with ${flows} flows`);
  return { ns: found.ns, kind: found.kind };
}

/** A figure of the reference machine on a machine where parse + LRU lookup costs `parseLruNs`. */
export function scaledToMachine(ns: number, parseLruNs: number): number {
  if (!(parseLruNs > 0)) throw new RangeError(`parse + LRU lookup can't cost ${parseLruNs} ns`);
  return (ns * parseLruNs) / REFERENCE_PARSE_LRU_NS;
}
