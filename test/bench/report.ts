/** What a run found: the shape of bench.json. */
import type { Flows, Path } from './limits.ts';
import type { Spread } from './statistics.ts';

export interface MachineReport {
  cpu: string;
  cpus: number;
  memoryMiB: number;
  kernel: string;
  node: string;
  /** Which CPU everything ran on. */
  pinnedCpu: number;
  /** One-minute load average before the run and after it (the run itself adds 1). */
  loadBefore: number;
  loadAfter: number;
  /** Share of slices left out because the machine was slow around them, 0..1. */
  leftOut: number;
  /** The slowest moment that counts all the same, in times the best; above 1.15 figures are too high. */
  slowest: number;
  rounds: number;
  quick: boolean;
}

export interface PathResult {
  path: Path;
  flows: Flows;
  services: number;
  net_ns: Spread;
  floor_ns: number;
  limit_ns: number;
}

export interface MaglevResult {
  slots: number;
  backends: number;
  ms: number;
}

export interface ScaleResult {
  services: number;
  backends_per_service: number;
  /** From an empty dataplane to all services in the maps. */
  apply_ms: number;
  /** One backend of one service goes, or comes back; all maps compared. */
  change_ms: Spread;
  /** What the process grew by, from before the state was made until it was applied. */
  agent_rss_mib: number;
  /** Memory of all maps by the kernel's own count. */
  maps_bytes: number;
}

export interface BenchReport {
  machine: MachineReport;
  /** Net nanoseconds of the floor programs. */
  floors: Record<string, number>;
  results: PathResult[];
  maglev: MaglevResult[];
  scale: ScaleResult | Record<string, never>;
}
