/**
 * The kinds of values that configuration keys take. Each says in its metadata what is allowed
 * (`allowed`, the end of "must be ..."), which error messages and docs/configuration.md share.
 */
import { z } from 'zod';
import { formatDuration, parseDuration } from './duration.ts';

/** What the metadata of a field holds. */
export interface FieldMeta {
  readonly allowed: string;
  /** For the manual, when the default is computed. */
  readonly defaultText?: string;
}

export function described<T extends z.ZodType>(schema: T, allowed: string, defaultText?: string): T {
  return schema.meta({ allowed, ...(defaultText === undefined ? {} : { defaultText }) } satisfies FieldMeta);
}

/** For transforms of other files. Without a detail the message says what is allowed. */
export function refuse(context: z.RefinementCtx, detail?: string): void {
  context.addIssue({ code: 'custom', params: { detail } });
}

export function integer(min: number, max: number): z.ZodInt {
  return described(z.int().min(min).max(max), `a whole number, ${min} to ${max}`);
}

/** Rounded up to a multiple of `step`. */
export function integerRoundedUp(min: number, max: number, step: number) {
  const schema = z.int().min(min).max(max);
  return described(
    schema.transform((value) => Math.ceil(value / step) * step),
    `a whole number, ${min} to ${max}, rounded up to a multiple of ${step}`,
  );
}

export function powerOfTwoRoundedUp(min: number, max: number) {
  const schema = z.int().min(min).max(max);
  return described(
    schema.transform((value) => 2 ** Math.ceil(Math.log2(value))),
    `a whole number, ${min} to ${max}, rounded up to a power of two`,
  );
}

export function oneNumberOf(values: readonly number[]) {
  const schema = z.int().refine((value) => values.includes(value));
  return described(schema, `one of ${values.join(', ')}`);
}

export function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return described(z.enum(values), `one of ${values.join(', ')}`);
}

export function flag() {
  return described(z.boolean(), 'true or false');
}

export function absolutePath(defaultText?: string) {
  const schema = z.string().regex(/^\/[^\0]*$/);
  return described(schema, 'an absolute path', defaultText);
}

/** The kernel's limit for sun_path is 108 bytes with the zero at the end. */
export function socketPath(defaultText: string) {
  const schema = absolutePath().refine((path) => Buffer.byteLength(path) <= 107);
  return described(schema, 'an absolute path of at most 107 bytes', defaultText);
}

export function nodeName(defaultText: string) {
  const schema = z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/);
  return described(schema, 'a host name', defaultText);
}

/** As the API server takes them: an RFC 1123 label. */
export function namespace() {
  const schema = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
  return described(schema, 'a namespace: at most 63 lower-case letters, digits and -');
}

/** As the API server takes names of most objects: RFC 1123 labels, joined by dots. */
export function objectName() {
  const schema = z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
  return described(schema, 'a name: at most 253 lower-case letters, digits, - and .');
}

/** What the kernel's dev_valid_name() takes. */
export function deviceName() {
  const schema = z.string().refine((name) => /^[^\s/:]{1,15}$/.test(name) && name !== '.' && name !== '..');
  return described(schema, 'a name of 1 to 15 characters without space, / or :');
}

/** Milliseconds. */
export function duration(min: number, max: number) {
  const allowed = `a duration, ${formatDuration(min)} to ${formatDuration(max)}, such as 30s or 2h10m`;
  const schema = z.string().transform((text, context) => {
    const value = parseDuration(text);
    if (value !== undefined && value >= min && value <= max) return value;
    refuse(context);
    return z.NEVER;
  });
  return described(schema, allowed);
}

export function portRange(defaultText: string) {
  const schema = z.string().transform((text, context) => {
    const parts = /^(\d{1,5})-(\d{1,5})$/.exec(text);
    const [min, max] = [Number(parts?.[1]), Number(parts?.[2])];
    if (parts !== null && min >= 1 && max <= 65535 && min <= max) return { min, max };
    refuse(context);
    return z.NEVER;
  });
  return described(schema, 'first-last within 1-65535, such as 1024-65535', defaultText);
}

export function listenAddress(defaultText: string) {
  const schema = z.string().transform((text, context) => {
    const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
    const [host, port] = [parts?.[1] ?? parts?.[2], Number(parts?.[3])];
    if (host !== undefined && port >= 1 && port <= 65535) return { host, port };
    refuse(context);
    return z.NEVER;
  });
  return described(schema, 'host:port such as 127.0.0.1:9469 or [::1]:9469', defaultText);
}
