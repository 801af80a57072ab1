import type { Problem } from './desired-state.ts';

/** By file, line, object, code and message; of equal ones only one. The order says nothing but is always the same. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const keyed = problems.map((problem) => ({ problem, key: keyOf(problem) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.filter(({ key }, index) => key !== keyed[index - 1]?.key).map(({ problem }) => problem);
}

function keyOf({ file, line, object, code, message }: Problem): string {
  const place = `${file ?? ''}\0${String(line ?? 0).padStart(9, '0')}`;
  return `${place}\0${object?.namespace ?? ''}/${object?.name ?? ''}/${object?.kind ?? ''}\0${code}\0${message}`;
}
