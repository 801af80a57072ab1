/** What real connections met, as a table and a plot. */
import { barsSvg, count, NAMES } from '../consistency/report.ts';
import type { SchemeName } from '../consistency/schemes.ts';
import type { SimulationResult } from '../consistency/simulate.ts';
import type { RigResult, RigSettings } from './run-event.ts';

export interface RigEvent {
  readonly event: string;
  /** Schemes that were run. */
  readonly schemes: Partial<
    Record<SchemeName, { readonly rig: RigResult; readonly simulated: SimulationResult }>
  >;
}

export interface RigReport extends RigSettings {
  readonly windowSteps: number;
  readonly events: readonly RigEvent[];
}

/** Broken connections: real ones, and in brackets what the simulation says of as many. */
export function rigMarkdown({ events, connections, step, windowSteps, slots }: RigReport): string {
  return [
    `${count(connections)} connections at once, ${count(slots)} slots, steps of ${step} ms, window of ${windowSteps} steps; broken connections (simulated):`,
    '',
    `| event | ${NAMES.join(' | ')} | of these begun after the change | lost with their backend | begun |`,
    '|---|--:|--:|--:|--:|--:|--:|',
    ...events.map(({ event, schemes }) => {
      const broken = NAMES.map((name) => {
        const met = schemes[name];
        return met === undefined ? '-' : `${count(met.rig.broken)} (${count(met.simulated.broken)})`;
      });
      const ours = schemes['hash first'];
      const rest =
        ours === undefined
          ? ['-', '-', '-']
          : [
              count(ours.rig.brokenYoung),
              `${count(ours.rig.lost)} (${count(ours.simulated.lost)})`,
              count(ours.rig.begun),
            ];
      return `| ${[event, ...broken, ...rest].join(' | ')} |`;
    }),
    '',
  ].join('\n');
}

export function rigSvg({ events, connections }: RigReport): string {
  const rows = events.map(({ event, schemes }) => {
    return { label: event, broken: NAMES.map((name) => schemes[name]?.rig.broken ?? Number.NaN) };
  });
  const most = Math.max(connections, ...rows.flatMap(({ broken }) => broken.filter((n) => n > 0)));
  return barsSvg(`Broken of ${count(connections)} real connections (logarithmic)`, rows, most);
}
