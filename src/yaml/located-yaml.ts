/**
 * YAML (and so JSON) as values whose place in the text is known. Never throws: whatever the text is,
 * the answer is documents and errors with a line.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml';
import { isNestedTooDeep } from './nesting.ts';

export type Path = ReadonlyArray<string | number>;

export interface YamlError {
  readonly line: number;
  readonly message: string;
}

export interface LocatedDocument {
  /** undefined if the document is empty or has errors. */
  readonly value: unknown;
  /** Where its content begins, from 1. */
  readonly line: number;
  readonly errors: readonly YamlError[];
  /** The line of the field, or of the innermost one around it that is there. */
  lineOf(path: Path): number;
}

/**
 * How often aliases may multiply what is written (the count is the yaml package's: occurrences of an
 * anchor times the aliases inside it). Documents of people stay far below; "billion laughs" does not.
 */
const MAX_ALIAS_COUNT = 100;

export function parseYaml(text: string): LocatedDocument[] {
  if (isNestedTooDeep(text)) return [failed('is nested too deep')];
  const lines = new LineCounter();
  try {
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: 'silent',
      merge: true,
      stringKeys: true,
      // The package compares each key with all before it; duplicateKeys() below takes linear time.
      uniqueKeys: false,
    });
    return Array.isArray(documents) ? documents.map((document) => located(document, lines)) : [];
  } catch (error) {
    // No known way leads here, but the answer must not depend on that.
    return [failed(`cannot be parsed: ${error instanceof Error ? error.message : String(error)}`)];
  }
}

function failed(message: string): LocatedDocument {
  return { value: undefined, line: 1, errors: [{ line: 1, message }], lineOf: () => 1 };
}

function located(document: Document.Parsed, lines: LineCounter): LocatedDocument {
  const lineAt = (offset: number | undefined): number => Math.max(1, lines.linePos(offset ?? 0).line);
  const line = lineAt(document.contents?.range?.[0] ?? document.range?.[0]);
  const errors: YamlError[] = document.errors.map((error) => ({
    line: lineAt(error.pos[0]),
    message: firstLine(error.message),
  }));
  let value: unknown;
  if (errors.length === 0) {
    for (const key of duplicateKeys(document)) {
      const at = lineAt(key.range?.[0]);
      errors.push({ line: at, message: `the key ${JSON.stringify(key.value)} is there twice` });
    }
  }
  if (errors.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: MAX_ALIAS_COUNT }) ?? undefined;
    } catch (error) {
      errors.push({ line, message: firstLine(error instanceof Error ? error.message : String(error)) });
    }
  }
  const lineOf = (path: Path): number => lineAt(offsetOf(document, path));
  return { value, line, errors, lineOf };
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}

/** The second and later of equal keys in one map. */
function duplicateKeys(
  document: Document.Parsed,
): Array<{ value: unknown; range?: readonly number[] | null }> {
  const duplicates: Array<{ value: unknown; range?: readonly number[] | null }> = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key) || key.value === '<<') continue;
        const name = String(key.value);
        if (seen.has(name)) duplicates.push(key);
        seen.add(name);
      }
    },
  });
  return duplicates;
}

/** Offset of the deepest node along the path; for a field of a map that is its key. */
function offsetOf(document: Document.Parsed, path: Path): number | undefined {
  let node = resolve(document, document.contents);
  let offset = node?.range?.[0];
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) break;
      offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = resolve(document, pair.value as Node | null);
    } else if (isSeq(node)) {
      const item = node.items[Number(step)] as Node | undefined;
      if (item === undefined) break;
      offset = item.range?.[0] ?? offset;
      node = resolve(document, item);
    } else break;
  }
  return offset;
}

function resolve(document: Document.Parsed, node: Node | null): Node | undefined {
  return (isAlias(node) ? node.resolve(document) : node) ?? undefined;
}
