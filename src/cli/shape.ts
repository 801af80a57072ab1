/**
 * A small check that an answer has the fields that lbctl reads. (zod does this for the agent, but its import
 * alone takes longer than lbctl may.) Fields that are not known are kept: a newer agent may have more.
 */

/** Returns the value as a T, or throws a ShapeError that names the place. */
export type Check<T> = (value: unknown, place: string) => T;

export class ShapeError extends Error {
  readonly place: string;

  constructor(place: string, expected: string, value: unknown) {
    super(`${place || 'the answer'} is ${describe(value)}, not ${expected}`);
    this.name = 'ShapeError';
    this.place = place;
  }
}

/** Any text: a newer agent may have states that this lbctl only prints. */
export function text<T extends string = string>(value: unknown, place: string): T {
  if (typeof value !== 'string') throw new ShapeError(place, 'a text', value);
  return value as T;
}

export function number(value: unknown, place: string): number {
  if (typeof value !== 'number') throw new ShapeError(place, 'a number', value);
  return value;
}

export function boolean(value: unknown, place: string): boolean {
  if (typeof value !== 'boolean') throw new ShapeError(place, 'true or false', value);
  return value;
}

export function list<T>(check: Check<T>): Check<T[]> {
  return (value, place) => {
    if (!Array.isArray(value)) throw new ShapeError(place, 'a list', value);
    for (const [index, entry] of value.entries()) check(entry, `${place}[${index}]`);
    return value as T[];
  };
}

/** An object whose keys are data. */
export function record<T>(check: Check<T>): Check<Record<string, T>> {
  return (value, place) => {
    const object = asObject(value, place);
    for (const [key, entry] of Object.entries(object)) check(entry, `${place}[${JSON.stringify(key)}]`);
    return object as Record<string, T>;
  };
}

export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, place) => (value === undefined ? undefined : check(value, place));
}

export function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, place) => (value === null ? null : check(value, place));
}

/** Every field of T must have its check: a field added to the API is a compile error here. */
export function object<T extends object>(fields: { [K in keyof T]-?: Check<T[K] | undefined> }): Check<T> {
  const checks = Object.entries(fields) as Array<[string, Check<unknown>]>;
  return (value, place) => {
    const found = asObject(value, place);
    for (const [name, check] of checks) check(found[name], place === '' ? name : `${place}.${name}`);
    return found as T;
  };
}

function asObject(value: unknown, place: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ShapeError(place, 'an object', value);
  }
  return value as Record<string, unknown>;
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  const written = JSON.stringify(value) ?? typeof value;
  return written.length > 40 ? `${written.slice(0, 40)}...` : written;
}
