/** What is in one list and not in another, by identity: objects are never changed in place. */

export interface ListChanges<T> {
  /** In `before` only; what was replaced is in both answers. */
  readonly gone: readonly T[];
  /** In `after` only. */
  readonly come: readonly T[];
}

/**
 * Neither list may have an object twice. As fast as comparing pointers where few things changed and both
 * lists have one order; right in any order.
 */
export function listChanges<T extends object>(before: readonly T[], after: readonly T[]): ListChanges<T> {
  const gone: T[] = [];
  const come: T[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length && j < after.length) {
    const old = before[i] as T;
    const next = after[j] as T;
    if (old === next) {
      i += 1;
      j += 1;
    } else if (before[i + 1] === after[j + 1]) {
      gone.push(old);
      come.push(next);
      i += 1;
      j += 1;
    } else if (before[i + 1] === next) gone.push(before[i++] as T);
    else if (old === after[j + 1]) come.push(after[j++] as T);
    else break;
  }
  const restBefore = new Set(before.slice(i));
  for (let n = j; n < after.length; n++) {
    const next = after[n] as T;
    if (!restBefore.delete(next)) come.push(next);
  }
  gone.push(...restBefore);
  // What only moved past the place where the orders parted.
  const both = new Set(gone);
  const moved = new Set(come.filter((each) => both.has(each)));
  if (moved.size === 0) return { gone, come };
  return { gone: gone.filter((each) => !moved.has(each)), come: come.filter((each) => !moved.has(each)) };
}
