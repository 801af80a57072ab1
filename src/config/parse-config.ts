/** Reads lb-agent's configuration file. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { z } from 'zod';
import { type LocatedDocument, type Path, parseYaml } from '../yaml/located-yaml.ts';
import type { Config } from './config.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { allowedAt, knownKeysAt } from './config-keys.ts';
import { joinRanges, violations } from './config-rules.ts';
import { configSchema, type ParsedConfig } from './config-schema.ts';
import { nearestKey } from './nearest-key.ts';

/** Throws a {@link ConfigError} with everything that is wrong. */
export function loadConfig(path: string): Config {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `cannot be read (${reason}); give the path of lb-agent's configuration`;
    throw new ConfigError([{ file: path, key: '', message }]);
  }
  return parseConfig(text, path);
}

/** `file` is for the messages only. Throws a {@link ConfigError} with everything that is wrong. */
export function parseConfig(text: string, file: string, hostName: string = hostname()): Config {
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
  const raw = document.value ?? {};
  const result = configSchema.safeParse(raw);
  const problems = [
    ...(result.error?.issues ?? []).flatMap((issue) => problemsOf(issue, raw)),
    ...violations(result.data ?? soundSections(raw)),
  ].map((problem) => placed(problem, document, file));
  if (problems.length > 0 || result.data === undefined) {
    throw new ConfigError(problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)));
  }
  return toConfig(result.data, hostName);
}

interface PathProblem {
  readonly path: Path;
  readonly message: string;
}

function placed({ path, message }: PathProblem, document: LocatedDocument, file: string): ConfigProblem {
  return { file, line: document.lineOf(path), key: path.join('.'), message };
}

function problemsOf(issue: z.core.$ZodIssue, raw: unknown): PathProblem[] {
  const path = issue.path as Path;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, knownKeysAt(path)) }));
  }
  const value = valueAt(raw, path);
  const allowed = allowedAt(path);
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
function soundSections(raw: unknown): Partial<ParsedConfig> {
  if (typeof raw !== 'object' || raw === null) return {};
  const sound: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(configSchema.shape)) {
    const result = schema.safeParse((raw as Record<string, unknown>)[key]);
    if (result.success) sound[key] = result.data;
  }
  return sound as Partial<ParsedConfig>;
}

function toConfig(parsed: ParsedConfig, hostName: string): Config {
  const { addresses, own, ports, sharedFlows } = parsed.snat;
  const listen = parsed.metrics.listen;
  const { seedFile, nodes } = parsed.hash;
  const { kubeconfig, ...source } = parsed.source;
  return {
    ...parsed,
    node: parsed.node ?? hostName,
    api: { socket: parsed.api.socket ?? `${parsed.runtimeDirectory.replace(/\/+$/, '')}/agent.sock` },
    metrics: listen === undefined ? {} : { listen },
    source: kubeconfig === undefined ? source : { ...source, kubeconfig },
    vips: { ...parsed.vips, ranges: [...parsed.vips.ranges].sort((a, b) => a.network - b.network) },
    snat: {
      ranges: own === undefined ? joinRanges(addresses ?? [], false) : [{ first: own, count: 1, own: true }],
      // Of a node's own address, the ports above Linux's default ip_local_port_range (32768-60999).
      ports: ports ?? (own === undefined ? { min: 1_024, max: 65_535 } : { min: 61_000, max: 65_535 }),
      sharedFlows,
    },
    hash: seedFile === undefined ? { nodes } : { seedFile, nodes },
  };
}
