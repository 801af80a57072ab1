/** Walks the configuration schema: which keys there are, and what a value at a path may be. */
import { z } from 'zod';
import type { FieldMeta } from './config-fields.ts';

export interface ConfigKey {
  /** `vips.device.name`, `devices[].attach` */
  readonly key: string;
  /** The end of "must be ...". */
  readonly allowed: string;
  /** As the manual shows it; undefined if the key must be given. */
  readonly default?: string;
}

/** Every key that takes a value, in the order of the schema. */
export function configKeys(schema: z.ZodType): ConfigKey[] {
  return keysBelow(schema, '');
}

function keysBelow(schema: z.ZodType, path: string): ConfigKey[] {
  const { inner, fallback } = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    const shape = inner.shape as Readonly<Record<string, z.ZodType>>;
    return Object.entries(shape).flatMap(([key, field]) =>
      keysBelow(field, path === '' ? key : `${path}.${key}`),
    );
  }
  const element = inner instanceof z.ZodArray ? (inner.element as z.ZodType) : undefined;
  if (element !== undefined && unwrap(element).inner instanceof z.ZodObject) {
    return keysBelow(element, `${path}[]`);
  }
  const meta = metaOf(schema);
  const written = fallback === undefined ? meta?.defaultText : `\`${fallback}\``;
  return [
    { key: path, allowed: meta?.allowed ?? '', ...(written === undefined ? {} : { default: written }) },
  ];
}

/** What is allowed at a path of the file; undefined where the schema says nothing. */
export function allowedAt(root: z.ZodType, path: readonly PropertyKey[]): string | undefined {
  let schema = root;
  for (const step of path) {
    const next = childOf(schema, step);
    if (next === undefined) return undefined;
    schema = next;
  }
  const known = knownKeys(schema);
  return (
    metaOf(schema)?.allowed ?? (known === undefined ? undefined : `a map with the keys ${known.join(', ')}`)
  );
}

/** The keys of the map at a path. */
export function knownKeysAt(root: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let schema: z.ZodType | undefined = root;
  for (const step of path) schema = schema && childOf(schema, step);
  return (schema && knownKeys(schema)) ?? [];
}

function knownKeys(schema: z.ZodType): string[] | undefined {
  const { inner } = unwrap(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : undefined;
}

function childOf(schema: z.ZodType, step: PropertyKey): z.ZodType | undefined {
  const { inner } = unwrap(schema);
  if (inner instanceof z.ZodObject) return (inner.shape as Record<PropertyKey, z.ZodType>)[step];
  return inner instanceof z.ZodArray ? (inner.element as z.ZodType) : undefined;
}

/** The schema without optional, default and the like, and the default that was found on the way. */
function unwrap(schema: z.ZodType): { inner: z.ZodType; fallback?: string } {
  let inner = schema;
  let fallback: string | undefined;
  for (;;) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      const value: unknown = inner.def.defaultValue;
      if (typeof value !== 'object') fallback = String(value);
      inner = inner.def.innerType as z.ZodType;
    } else if (inner instanceof z.ZodOptional) inner = inner.def.innerType as z.ZodType;
    else return fallback === undefined ? { inner } : { inner, fallback };
  }
}

function metaOf(schema: z.ZodType): FieldMeta | undefined {
  for (let inner: z.ZodType = schema; ; ) {
    const meta = inner.meta() as FieldMeta | undefined;
    if (meta?.allowed !== undefined) return meta;
    if (
      !(inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional)
    ) {
      return undefined;
    }
    inner = inner.def.innerType as z.ZodType;
  }
}
