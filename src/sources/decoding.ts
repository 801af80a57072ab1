/** What the decoders of Kubernetes' objects have in common. */
import { z } from 'zod';

export interface DecodeIssue {
  readonly path: ReadonlyArray<string | number>;
  readonly message: string;
}

export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly issues: readonly DecodeIssue[] };

export const text = z.string().nullish();
export const flag = z.boolean().nullish();
export const list = <T extends z.ZodType>(item: T) => z.array(item).nullish();
/** Of annotations and labels: YAML takes 30 and true for something else. */
const mapText = z.string({ error: 'must be a string: put it in quotes' });
export const map = z.record(z.string(), mapText).nullish();
/** What the API server asks of names: RFC 1123 labels, joined by dots. */
const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, {
    error: 'must be lower-case letters, digits, - and .',
  });

export const metadata = z.object({
  name: objectName,
  namespace: objectName.nullish(),
  annotations: map,
  labels: map,
  creationTimestamp: text,
  deletionTimestamp: text,
  uid: text,
  resourceVersion: text,
});

/** The field if there is a value: an absent field and an undefined one are not the same to the compiler. */
export function given<K extends string, V>(key: K, value: V | null | undefined): { [P in K]?: V } {
  return (value === null || value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

export function issuesOf(error: z.ZodError): DecodeIssue[] {
  return error.issues.map(({ path, message }) => ({ path: path as DecodeIssue['path'], message }));
}
