/** The text of a manifest file, read into Services, EndpointSlices and Nodes. No I/O, never throws. */
import { isUtf8 } from 'node:buffer';
import type { Problem } from '../services/desired-state.ts';
import { type LocatedDocument, type Path, parseYaml } from '../yaml/located-yaml.ts';
import type { Decoded } from './decoding.ts';
import { DEFAULT_NAMESPACE, decodeEndpointSlice, decodeService } from './kube-decoders.ts';
import type { KubernetesObject, Origin } from './kube-objects.ts';
import { decodeNode } from './node-decoder.ts';

/** Plain data, so that a file may be parsed on another thread. */
export interface ParsedManifest {
  /** In the order of the file. */
  readonly objects: readonly KubernetesObject[];
  readonly problems: readonly Problem[];
  /** Keys ({@link objectKey}) of objects that are named here but cannot be used as written. */
  readonly refused: readonly string[];
  /** Part of the file cannot be understood at all, so any object may be missing. */
  readonly broken: boolean;
}

/** Larger files are refused unread: nobody writes them by purpose, and parsing would stop the agent for seconds. */
export const MAX_MANIFEST_BYTES = 8 * 1024 * 1024;

export function objectKey(object: { kind: string; namespace: string; name: string }): string {
  return `${object.kind} ${object.namespace}/${object.name}`;
}

export function parseManifest(bytes: Uint8Array, file: string): ParsedManifest {
  if (!isUtf8(bytes)) {
    const message = 'is not UTF-8 text; save the file as UTF-8';
    return brokenManifest({ severity: 'error', code: 'not-utf8', message, file, line: firstBadLine(bytes) });
  }
  const result: Result = { objects: [], problems: [], refused: [], broken: false, file };
  for (const document of parseYaml(Buffer.from(bytes).toString('utf8'))) readDocument(document, result);
  const { objects, problems, refused, broken } = result;
  return { objects, problems, refused, broken };
}

/** A file that cannot be used at all. */
export function brokenManifest(problem: Problem): ParsedManifest {
  return { objects: [], problems: [problem], refused: [], broken: true };
}

interface Result {
  readonly objects: KubernetesObject[];
  readonly problems: Problem[];
  readonly refused: string[];
  broken: boolean;
  readonly file: string;
}

function firstBadLine(bytes: Uint8Array): number {
  let begin = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf(0x0a, begin);
    if (end < 0 || !isUtf8(bytes.subarray(begin, end))) return line;
    begin = end + 1;
  }
}

function readDocument(document: LocatedDocument, result: Result): void {
  const { file, problems } = result;
  if (document.errors.length > 0) {
    result.broken = true;
    for (const { line, message } of document.errors.slice(0, 10)) {
      const text = `${message}; the objects of this file stay as they were until it can be read`;
      problems.push({ severity: 'error', code: 'yaml-syntax', message: text, file, line });
    }
    return;
  }
  if (document.value !== undefined) readObject(document.value, [], '', document, result);
}

/** Objects we read, by kind and API version. */
const DECODERS: ReadonlyMap<string, (value: unknown) => Decoded<KubernetesObject>> = new Map<
  string,
  (value: unknown) => Decoded<KubernetesObject>
>([
  ['v1 Service', decodeService],
  ['discovery.k8s.io/v1 EndpointSlice', decodeEndpointSlice],
  ['v1 Node', decodeNode],
]);
const API_VERSIONS: ReadonlyMap<string, string> = new Map([
  ['Service', 'v1'],
  ['EndpointSlice', 'discovery.k8s.io/v1'],
  ['Node', 'v1'],
]);

/** `implied`: "apiVersion kind" of the list's items, which may leave it out. */
function readObject(
  value: unknown,
  path: Path,
  implied: string,
  document: LocatedDocument,
  result: Result,
): void {
  const type = typeOf(value) ?? (implied === '' ? undefined : implied);
  const complain = (severity: Problem['severity'], code: string, message: string): void => {
    const identity = identityOf(value, kindOf(type ?? ''));
    const object = identity === undefined ? {} : { object: identity };
    result.problems.push({
      severity,
      code,
      message,
      ...object,
      file: result.file,
      line: document.lineOf(path),
    });
  };
  if (type === undefined) {
    result.broken = true;
    complain('error', 'not-an-object', 'is no Kubernetes object: apiVersion and kind are needed');
    return;
  }
  const kind = kindOf(type);
  const apiVersion = type.slice(0, -kind.length - 1);
  if (LISTS.has(kind)) {
    const { items } = value as { items?: unknown };
    // A list in a list is possible, a list in itself too (by an alias): stop somewhere.
    if (path.length > 4)
      complain('error', 'nested-list', 'lists are nested too deep; write the objects in one list');
    else if (Array.isArray(items)) {
      const item = LISTS.get(kind) === '' ? '' : `${apiVersion} ${LISTS.get(kind)}`;
      for (const [index, entry] of items.entries()) {
        readObject(entry, [...path, 'items', index], item, document, result);
      }
    }
    return;
  }
  const decode = DECODERS.get(type);
  if (decode !== undefined) {
    decodeInto(decode(value), identityOf(value, kind), path, document, result);
    return;
  }
  const wanted = API_VERSIONS.get(kind);
  if (wanted === undefined) {
    complain('warning', 'unknown-kind', `${kind} is ignored: only Service, EndpointSlice and Node are read`);
    return;
  }
  const identity = identityOf(value, kind);
  if (identity === undefined) result.broken = true;
  else result.refused.push(objectKey(identity));
  complain('error', 'unsupported-version', `${kind} of ${apiVersion} is not read; write it as ${wanted}`);
}

/** Kinds that hold others, with what their items are when they do not say. */
const LISTS: ReadonlyMap<string, string> = new Map([
  ['List', ''],
  ['ServiceList', 'Service'],
  ['EndpointSliceList', 'EndpointSlice'],
  ['NodeList', 'Node'],
]);

/** `type` is "apiVersion kind". */
function kindOf(type: string): string {
  return type.slice(type.lastIndexOf(' ') + 1);
}

function decodeInto(
  decoded: Decoded<KubernetesObject>,
  identity: { kind: string; namespace: string; name: string } | undefined,
  path: Path,
  document: LocatedDocument,
  result: Result,
): void {
  const { file } = result;
  if (decoded.ok) {
    const origin: Origin = {
      file,
      line: document.lineOf(path),
      lines: fieldLines(decoded.value, (field) => document.lineOf([...path, ...field])),
    };
    result.objects.push({ ...decoded.value, origin });
    return;
  }
  if (identity === undefined) result.broken = true;
  else result.refused.push(objectKey(identity));
  for (const issue of decoded.issues) {
    result.problems.push({
      severity: 'error',
      code: 'invalid-object',
      message: `${issue.path.join('.')}: ${issue.message}; the object stays as it was until this is mended`,
      ...(identity === undefined ? {} : { object: identity }),
      file,
      line: document.lineOf([...path, ...issue.path]),
    });
  }
}

function typeOf(value: unknown): string | undefined {
  const { apiVersion, kind } = (value ?? {}) as { apiVersion?: unknown; kind?: unknown };
  return typeof apiVersion === 'string' && typeof kind === 'string' ? `${apiVersion} ${kind}` : undefined;
}

function identityOf(
  value: unknown,
  kind: string,
): { kind: string; namespace: string; name: string } | undefined {
  const { metadata } = (value ?? {}) as { metadata?: { name?: unknown; namespace?: unknown } | null };
  const { name, namespace } = metadata ?? {};
  if (typeof name !== 'string') return undefined;
  // A Node has none, whatever is written.
  if (kind === 'Node') return { kind, namespace: '', name };
  return { kind, namespace: typeof namespace === 'string' ? namespace : DEFAULT_NAMESPACE, name };
}

/** The lines of what src/services may complain about. */
function fieldLines(object: KubernetesObject, lineOf: (path: Path) => number): Record<string, number> {
  const lines: Record<string, number> = {};
  const note = (...path: Path): void => {
    lines[path.join('.')] = lineOf(path);
  };
  for (const key of Object.keys(object.annotations)) note('metadata', 'annotations', key);
  if (object.kind === 'Node') {
    note('status', 'addresses');
    return lines;
  }
  if (object.kind === 'EndpointSlice') {
    note('addressType');
    for (const index of object.ports.keys()) note('ports', index);
    for (const index of object.endpoints.keys()) note('endpoints', index);
    return lines;
  }
  for (const index of object.externalIPs.keys()) note('spec', 'externalIPs', index);
  for (const index of object.loadBalancerSourceRanges.keys()) note('spec', 'loadBalancerSourceRanges', index);
  for (const index of object.ports.keys()) note('spec', 'ports', index);
  for (const index of object.ingress.keys()) note('status', 'loadBalancer', 'ingress', index);
  for (const field of SERVICE_FIELDS) note('spec', field);
  return lines;
}

const SERVICE_FIELDS = [
  'type',
  'clusterIP',
  'sessionAffinity',
  'externalTrafficPolicy',
  'loadBalancerClass',
  'loadBalancerSourceRanges',
];
