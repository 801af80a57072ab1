/** Reads a configuration file by a schema, and says everything that is wrong with it at once. */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { type LocatedDocument, type Path, parseYaml } from '../yaml/located-yaml.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { allowedAt, knownKeysAt } from './config-keys.ts';
import type { Violation } from './config-rules.ts';
import { nearestKey } from './nearest-key.ts';

/** The text of the file. Throws a {@link ConfigError}. */
export function readConfigFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `cannot be read (${reason}); give the path of lb-agent's configuration`;
    throw new ConfigError([{ file: path, key: '', message }]);
  }
}

/**
 * violations: the rules between keys, which look at the sections that are fine by themselves; it is given
 * the raw document too. Throws a {@link ConfigError}.
 */
export function parseBySchema<S extends z.ZodObject>(
  text: string,
  file: string,
  schema: S,
  violations: (config: Partial<z.output<S>>, raw: unknown) => readonly Violation[],
): z.output<S> {
  const document = theDocument(text, file);
  const raw = document.value ?? {};
  const result = schema.safeParse(raw);
  const problems = [
    ...(result.error?.issues ?? []).flatMap((issue) => problemsOf(schema, issue, raw)),
    ...violations(result.data ?? soundSections(schema, raw), raw),
  ].map((problem) => placed(problem, document, file));
  const once = new Map(problems.map((problem) => [JSON.stringify(problem), problem]));
  if (problems.length > 0 || result.data === undefined) {
    throw new ConfigError([...once.values()].sort((a, b) => (a.line ?? 0) - (b.line ?? 0)));
  }
  return result.data;
}

function theDocument(text: string, file: string): LocatedDocument {
  const documents = parseYaml(text);
  const [document] = documents;
  const errors = documents.flatMap((each) => each.errors);
  if (errors.length > 0) {
    throw new ConfigError(
      errors.map(({ line, message }) => ({ file, line, key: '', message: `YAML: ${message}` })),
    );
  }
  if (document === undefined || documents.length > 1) {
    const what = documents.length === 0 ? 'is empty' : `has ${documents.length} documents`;
    const line = documents[1]?.line ?? 1;
    throw new ConfigError([{ file, line, key: '', message: `${what}; one YAML document is needed` }]);
  }
  return document;
}

interface PathProblem {
  readonly path: Path;
  readonly message: string;
}

function placed({ path, message }: PathProblem, document: LocatedDocument, file: string): ConfigProblem {
  return { file, line: document.lineOf(path), key: path.join('.'), message };
}

function problemsOf(schema: z.ZodType, issue: z.core.$ZodIssue, raw: unknown): PathProblem[] {
  const path = issue.path as Path;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: unknownKey(key, knownKeysAt(schema, path)),
    }));
  }
  const value = valueAt(raw, path);
  const allowed = allowedAt(schema, path);
  if (value === undefined) return [{ path, message: `is missing; it must be ${allowed ?? 'given'}` }];
  const shown = JSON.stringify(value).slice(0, 80);
  if (value === null) return [{ path, message: `has no value; leave the key out, or give ${allowed}` }];
  const detail: unknown = issue.code === 'custom' ? issue.params?.detail : undefined;
  return [{ path, message: `${shown} ${typeof detail === 'string' ? detail : `must be ${allowed}`}` }];
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearestKey(key, known);
  return `is not a known key; ${near === undefined ? '' : `did you mean ${near}? `}Known here: ${known.join(', ')}`;
}

function valueAt(raw: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null
        ? (value as Record<string | number, unknown>)[step]
        : undefined,
    raw,
  );
}

/** The sections of a file with errors that have none themselves. */
function soundSections<S extends z.ZodObject>(schema: S, raw: unknown): Partial<z.output<S>> {
  if (typeof raw !== 'object' || raw === null) return {};
  const sound: Record<string, unknown> = {};
  const shape = schema.shape as Readonly<Record<string, z.ZodType>>;
  for (const [key, field] of Object.entries(shape)) {
    const result = field.safeParse((raw as Record<string, unknown>)[key]);
    if (result.success) sound[key] = result.data;
  }
  return sound as Partial<z.output<S>>;
}
