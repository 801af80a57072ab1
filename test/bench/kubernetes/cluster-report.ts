/** The figures of a large cluster beside what they may be. */
import type { ClusterResult } from './measure-cluster.ts';

export interface ClusterFigure {
  readonly what: string;
  readonly value: string;
  /** '': it is only shown. */
  readonly limit: string;
  readonly within: boolean;
}

const MEMORY_MIB = 700;
const STALL_MS = 200;

export function clusterFigures(result: ClusterResult): ClusterFigure[] {
  const shown = (what: string, value: string): ClusterFigure => ({ what, value, limit: '', within: true });
  const limited = (what: string, value: number, unit: string, limit: number): ClusterFigure => ({
    what,
    value: `${value} ${unit}`,
    limit: `${limit} ${unit}`,
    within: value <= limit,
  });
  const stall = (when: string, ms: number) =>
    limited(`longest stall of the event loop ${when}`, ms, 'ms', STALL_MS);
  const event = result.change_after_event_ms;
  const request = result.change_after_request_ms;
  const views = [
    ['the metrics', result.metrics],
    ['the services', result.services_view],
    ['the backends', result.backends_view],
    ['the statistics', result.stats_view],
    ['the lines of the status', result.status_view],
  ] as const;
  return [
    limited('first sync, from exec to the last service in the maps', result.first_sync_s, 's', 45),
    shown('processor time of the agent for it', `${result.first_sync_processor_s} s`),
    limited('memory of the agent, peak', result.peak_after_all_mib.own, 'MiB', MEMORY_MIB),
    shown('the same after the first sync, peak', `${result.peak_mib.own} MiB`),
    shown('resident besides: maps and program files', `${result.steady_mib.rss - result.steady_mib.own} MiB`),
    stall('in the first sync', result.stall_sync_ms),
    stall('while nothing changes', result.stall_steady_ms),
    ...views.flatMap(([what, { ms, stall_ms }]) => [
      shown(`${what}: until all of it is there`, `${ms} ms`),
      stall(`while ${what} are read`, stall_ms),
    ]),
    stall('while slices change', result.stall_changes_ms),
    stall('in an outage and after it', result.stall_outage_ms),
    shown('slice in the maps after its event, median', `${event.median} ms`),
    limited(`slice in the maps after its event, longest of ${result.changes}`, event.max, 'ms', 50),
    shown(
      'slice in the maps after the request, median and longest',
      `${request.median} and ${request.max} ms`,
    ),
    shown('processor time of the agent for a slice, upkeep contained', `${result.change_processor_ms} ms`),
    limited(
      `converged after an outage of ${result.outage_s} s with ${result.outage_changes} changed slices`,
      result.converged_after_outage_s,
      's',
      5,
    ),
    shown('restart on full maps, until a change is in them', `${result.restart_s} s`),
    shown('of it until the API answers', `${result.restart_answers_s} s`),
    stall('in the restart, from then on', result.stall_restart_ms),
    limited('silent link noticed', result.silence_noticed_s, 's', 90),
    limited('converged after the silence', result.converged_after_silence_s, 's', 5),
  ];
}
