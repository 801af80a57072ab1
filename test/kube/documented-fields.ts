/** The tables of docs/kubernetes.md that say what becomes of each field, and where a test shows it. */
import { existsSync, readFileSync } from 'node:fs';

const PAGE = readFileSync('docs/kubernetes.md', 'utf8');

export interface FieldRow {
  /** `spec.ports[].name` */
  readonly fields: readonly string[];
  readonly isRead: boolean;
  readonly tests: ReadonlyArray<{ readonly file: string; readonly name: string }>;
}

/** Rows of the table below that heading. */
export function fieldRows(kind: string): FieldRow[] {
  const section = PAGE.split(`\n### ${kind}\n`)[1]?.split('\n#')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((line) => {
    const [, fields = '', what = '', tests = ''] = line.split('|');
    return {
      fields: [...fields.matchAll(/`([^`]+)`/g)].map(([, field = '']) => field),
      isRead: !/^ (Not read|Neither read)/.test(what),
      tests: [...tests.matchAll(/`([^`]+)` ([^;]+)/g)].map(([, file = '', name = '']) => ({
        file: `test/${file}.test.ts`,
        name: name.trim(),
      })),
    };
  });
}

/** Whether the file has a test, or a group or row of tests, of a name that begins so. */
export function isTest(file: string, name: string): boolean {
  if (!existsSync(file)) return false;
  const text = readFileSync(file, 'utf8');
  return [`'${name}`, `"${name}`].some((quoted) => text.includes(quoted));
}

/** As much of JSON Schema as the API server's OpenAPI document uses. */
export interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/**
 * Paths of the object's fields down to the first that `isLeaf` takes, or that has no fields of its own.
 * Of the metadata nothing: every kind has it.
 */
export function fieldPaths(
  schemas: Readonly<Record<string, Schema>>,
  kind: string,
  isLeaf: (path: string) => boolean,
): string[] {
  const resolve = (schema: Schema): Schema => {
    const { $ref } = schema.allOf?.[0] ?? schema;
    return $ref === undefined ? schema : (schemas[$ref.split('/').at(-1) ?? ''] ?? {});
  };
  const below = (schema: Schema, path: string): string[] => {
    const whole = resolve(schema);
    const isList = whole.items !== undefined;
    const { properties } = isList ? resolve(whole.items ?? {}) : whole;
    if (isLeaf(path) || properties === undefined) return [path];
    const prefix = path === '' ? '' : `${path}${isList ? '[]' : ''}.`;
    return Object.entries(properties).flatMap(([name, each]) => below(each, prefix + name));
  };
  const common = /^(apiVersion|kind|metadata\b.*)$/;
  return below(schemas[kind] ?? {}, '').filter((path) => !common.test(path));
}
