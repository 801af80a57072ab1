/**
 * Who leads, by a Lease of the cluster. Pure: what was seen and the time in, what to write out. As others
 * do it (client-go's leader election): a record that nobody has changed for its duration, by our own clock
 * and since we first saw it, is of somebody who is gone. Clocks of machines are never compared.
 */

/** `spec` of a Lease, as far as it decides. */
export interface LeaseRecord {
  /** '': nobody. */
  readonly holder: string;
  readonly durationSeconds: number;
  /** RFC 3339 with microseconds, by the holder's clock: only whether it changes counts. */
  readonly acquireTime: string;
  readonly renewTime: string;
  readonly transitions: number;
}

/** What an agent knows. Times are milliseconds of a clock that does not jump. */
export interface LeaseMemory {
  /** Undefined: there was none. */
  readonly record?: LeaseRecord;
  /** When the record was first seen to be as it is. */
  readonly since: number;
  /** When our last write that succeeded was begun. */
  readonly renewedAt?: number;
}

export interface LeaseTerms {
  readonly identity: string;
  /** Milliseconds, whole seconds. */
  readonly duration: number;
}

export type LeaseAction =
  | { readonly do: 'create' | 'update'; readonly record: LeaseRecord }
  /** Milliseconds until it is worth another look. */
  | { readonly do: 'wait'; readonly ms: number };

/** A leader writes this often, and the others look this often: five may fail. */
export function renewEvery({ duration }: LeaseTerms): number {
  return duration / 6;
}

/** What was read, or undefined if there is none. */
export function noteLease(memory: LeaseMemory, record: LeaseRecord | undefined, now: number): LeaseMemory {
  const same = memory.record !== undefined && record !== undefined && sameRecord(memory.record, record);
  if (same) return memory;
  return {
    ...(record === undefined ? {} : { record }),
    since: now,
    // Somebody else has written: whatever we were, it is over.
    ...(record === undefined || memory.renewedAt === undefined || record.holder !== memory.record?.holder
      ? {}
      : { renewedAt: memory.renewedAt }),
  };
}

/** We have written the record; `begun`: before it was sent. */
export function noteRenewal(record: LeaseRecord, begun: number): LeaseMemory {
  return { record, since: begun, renewedAt: begun };
}

/** Stops a third of the duration before others may take over. */
export function leads(memory: LeaseMemory, { identity, duration }: LeaseTerms, now: number): boolean {
  const { record, renewedAt } = memory;
  return record?.holder === identity && renewedAt !== undefined && now < renewedAt + (duration * 2) / 3;
}

/** `time`: now as RFC 3339, for the record. */
export function decideLease(memory: LeaseMemory, terms: LeaseTerms, now: number, time: string): LeaseAction {
  const { identity, duration } = terms;
  const { record, since } = memory;
  const mine = { holder: identity, durationSeconds: Math.ceil(duration / 1_000), renewTime: time };
  if (record === undefined) {
    return { do: 'create', record: { ...mine, acquireTime: time, transitions: 0 } };
  }
  const { acquireTime, transitions } = record;
  if (record.holder === identity) return { do: 'update', record: { ...mine, acquireTime, transitions } };
  const left = record.holder === '' ? 0 : since + record.durationSeconds * 1_000 - now;
  if (left <= 0) {
    return { do: 'update', record: { ...mine, acquireTime: time, transitions: transitions + 1 } };
  }
  return { do: 'wait', ms: Math.min(left, renewEvery(terms)) };
}

/** So that the next one need not wait. */
export function releasedRecord(record: LeaseRecord, time: string): LeaseRecord {
  return { ...record, holder: '', durationSeconds: 1, renewTime: time };
}

function sameRecord(a: LeaseRecord, b: LeaseRecord): boolean {
  return (
    a.holder === b.holder &&
    a.durationSeconds === b.durationSeconds &&
    a.acquireTime === b.acquireTime &&
    a.renewTime === b.renewTime &&
    a.transitions === b.transitions
  );
}
