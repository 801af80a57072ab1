/** A key of --sort: texts from the smallest, numbers that measure from the largest. */
export type SortKey<T> = (
  row: T,
) => string | { readonly ascending: number } | { readonly descending: number };

/** Sorted copy; rows that are equal keep their order. Digits within texts compare as numbers (10.1.0.9 before 10.1.0.10). */
export function sortRows<T>(rows: readonly T[], key: SortKey<T> | undefined, reverse: boolean): T[] {
  if (key === undefined) return reverse ? [...rows].reverse() : [...rows];
  const direction = reverse ? -1 : 1;
  return rows
    .map((row) => ({ row, key: key(row) }))
    .sort((a, b) => direction * compare(a.key, b.key))
    .map(({ row }) => row);
}

let collator: Intl.Collator | undefined;

/** Only when texts are compared: the first collator of a process takes 10 ms. */
function textCollator(): Intl.Collator {
  collator ??= new Intl.Collator('en', { numeric: true });
  return collator;
}

function compare(a: ReturnType<SortKey<unknown>>, b: ReturnType<SortKey<unknown>>): number {
  if (typeof a === 'string' || typeof b === 'string') {
    return textCollator().compare(typeof a === 'string' ? a : '', typeof b === 'string' ? b : '');
  }
  if ('ascending' in a) return a.ascending - ('ascending' in b ? b.ascending : 0);
  return ('descending' in b ? b.descending : 0) - a.descending;
}
