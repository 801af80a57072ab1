/** How many slots a service's Maglev table has, and whether its backends fit. */
import type { Service } from '../sources/kube-objects.ts';
import { type DesiredBackend, TABLE_SIZES } from './desired-state.ts';
import { type Report, shown } from './report.ts';

export const SLOTS_ANNOTATION = 'l4lb.io/slots';

/** A slot names a backend by 15 bits. */
export const MAX_BACKENDS = 32_767;

/**
 * A backend's slots differ from its exact share by less than one, so with fewer than this many it may get
 * over a tenth too much or too little.
 */
const SLOTS_FOR_THE_LIGHTEST = 10;

export function tableSizeOf(service: Service, defaultSize: number, report: Report): number {
  const text = service.annotations[SLOTS_ANNOTATION];
  if (text === undefined) return defaultSize;
  const size = TABLE_SIZES.find((each) => String(each) === text.trim());
  if (size !== undefined) return size;
  const message = `${SLOTS_ANNOTATION}: ${shown(text)} must be one of ${TABLE_SIZES.join(', ')}; ${defaultSize} is used`;
  report('error', 'invalid-slots', message, `metadata.annotations.${SLOTS_ANNOTATION}`);
  return defaultSize;
}

/** Warns when the lightest backend gets too few slots for its weight to be met well. */
export function reportTableFit(
  what: string,
  backends: readonly DesiredBackend[],
  tableSize: number,
  report: Report,
): void {
  const weights = backends.map(({ weight }) => weight).filter((weight) => weight > 0);
  if (weights.length === 0) {
    // No endpoint at all is ordinary; endpoints that are all held at 0 are perhaps a mistake.
    if (backends.some(({ reason }) => reason === 'weight 0')) {
      report(
        'warning',
        'all-weights-zero',
        `${what}: every endpoint has weight 0, so new connections have no backend`,
      );
    }
    return;
  }
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const lightest = weights.reduce((least, weight) => Math.min(least, weight));
  if ((tableSize * lightest) / sum >= SLOTS_FOR_THE_LIGHTEST) return;
  const needed = Math.ceil((SLOTS_FOR_THE_LIGHTEST * sum) / lightest);
  const better = TABLE_SIZES.find((size) => size >= needed);
  const remedy =
    better === undefined
      ? 'no table is large enough; use fewer backends or more even weights'
      : `set ${SLOTS_ANNOTATION} to ${better}`;
  const load = `${weights.length} backends with a weight sum of ${sum}`;
  const message = `${what}: ${load} are too many for ${tableSize} slots, so shares are off by more than a tenth; ${remedy}`;
  report('warning', 'table-too-small', message, `metadata.annotations.${SLOTS_ANNOTATION}`);
}
