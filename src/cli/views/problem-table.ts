/** `lbctl problems`: what users wrote that cannot be done, or only in part. */
import type { Problem } from '../../services/desired-state.ts';
import type { Frame } from '../present.ts';
import { type Cell, type Column, renderTable } from '../table.ts';

const COLUMNS: readonly Column[] = [
  { header: 'Severity' },
  { header: 'Code' },
  { header: 'Object' },
  { header: 'Place' },
  { header: 'Message' },
];

export function renderProblems(problems: readonly Problem[], frame: Frame<Problem[]>): string {
  const rows = problems.map((problem): Cell[] => [
    { text: problem.severity, style: problem.severity === 'error' ? 'bad' : 'attention' },
    problem.code,
    problemObject(problem),
    problemPlace(problem),
    problem.message,
  ]);
  return renderTable(COLUMNS, rows, frame);
}

export function problemObject({ object }: Problem): string {
  if (object === undefined) return '-';
  const { kind, namespace, name } = object;
  return namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

export function problemPlace({ file, line }: Problem): string {
  return file === undefined ? '-' : line === undefined ? file : `${file}:${line}`;
}
