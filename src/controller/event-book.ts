/**
 * What was said by Events, and what is to be said now. No I/O.
 *
 * A notice stands for as long as it is true. It is said when it begins, and again now and then, because
 * Events are forgotten after an hour; the same words are one Event, whose count goes up. Rates are those
 * of client-go's recorder: 25 in a row for a Service, then one in 5 minutes.
 */
import { createHash } from 'node:crypto';
import type { Service } from '../sources/kube-objects.ts';

export interface Notice {
  readonly service: Pick<Service, 'namespace' | 'name' | 'uid'>;
  readonly type: 'Normal' | 'Warning';
  /** `PoolExhausted` */
  readonly reason: string;
  readonly message: string;
}

/** An Event to write: a new one, or one more of the same. */
export interface EventWrite {
  readonly id: string;
  /** The same for the same notice, whoever leads. */
  readonly name: string;
  readonly notice: Notice;
  /** Undefined: it was never said, as far as we know. Milliseconds since 1970. */
  readonly firstAt?: number;
  /** What the count will be; undefined if we do not know what it was. */
  readonly count?: number;
}

interface Entry {
  readonly firstAt: number;
  readonly lastAt: number;
  readonly count: number | undefined;
  /** It was true at the last look. */
  standing: boolean;
}

interface Bucket {
  tokens: number;
  at: number;
}

const REPEAT_MS = 30 * 60_000;
const FORGET_MS = 60 * 60_000;
const BURST = 25;
const REFILL_MS = 5 * 60_000;
/** Of all Services together, so that a broken configuration is no flood. */
const TOTAL_BURST = 200;
const TOTAL_REFILL_MS = 100;
/** Of one Service, with one reason; more are said in one. */
const MOST_ALIKE = 10;
/** What the API server takes. */
const MESSAGE_LENGTH = 1_024;

export class EventBook {
  readonly #entries = new Map<string, Entry>();
  readonly #buckets = new Map<string, Bucket>();
  readonly #total: Bucket = { tokens: TOTAL_BURST, at: 0 };
  /** Events that were not said because there were too many. */
  suppressed = 0;

  /** `standing`: what is true now; `happened`: what is said once. `now` in milliseconds since 1970. */
  due(standing: readonly Notice[], happened: readonly Notice[], now: number): EventWrite[] {
    const writes: EventWrite[] = [];
    const seen = new Set<string>();
    for (const notice of combined(standing)) {
      const id = idOf(notice);
      seen.add(id);
      const entry = this.#entries.get(id);
      if (entry?.standing && now - entry.lastAt < REPEAT_MS) continue;
      const write = this.#write(id, notice, now);
      if (write !== undefined) writes.push(write);
    }
    for (const [id, entry] of this.#entries) {
      if (!seen.has(id)) entry.standing = false;
      if (now - entry.lastAt > FORGET_MS && !entry.standing) this.#entries.delete(id);
    }
    for (const notice of happened) {
      const write = this.#write(idOf(notice), notice, now);
      if (write === undefined) this.suppressed += 1;
      else writes.push(write);
    }
    for (const [uid, bucket] of this.#buckets) {
      if (refilled(bucket, BURST, REFILL_MS, now) >= BURST) this.#buckets.delete(uid);
    }
    return writes;
  }

  /** It is written; `count` as the server has it. */
  said({ id, firstAt }: EventWrite, count: number | undefined, now: number): void {
    this.#entries.set(id, { firstAt: firstAt ?? now, lastAt: now, count, standing: true });
  }

  /** The server has forgotten it: the next is a new one. */
  forget(id: string): void {
    this.#entries.delete(id);
  }

  #write(id: string, notice: Notice, now: number): EventWrite | undefined {
    const { uid = '', name } = notice.service;
    const bucket = this.#buckets.get(uid) ?? { tokens: BURST, at: now };
    if (refilled(bucket, BURST, REFILL_MS, now) < 1) return undefined;
    if (refilled(this.#total, TOTAL_BURST, TOTAL_REFILL_MS, now) < 1) return undefined;
    take(bucket, BURST, REFILL_MS, now);
    take(this.#total, TOTAL_BURST, TOTAL_REFILL_MS, now);
    this.#buckets.set(uid, bucket);
    const entry = this.#entries.get(id);
    return {
      id,
      name: `${name}.${id}`,
      notice,
      ...(entry === undefined ? {} : { firstAt: entry.firstAt }),
      ...(entry?.count === undefined ? {} : { count: entry.count + 1 }),
    };
  }
}

function idOf({ service, type, reason, message }: Notice): string {
  const text = [service.namespace, service.name, service.uid, type, reason, message].join('\0');
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** At most so many of one Service with one reason, and none too long. */
function combined(notices: readonly Notice[]): Notice[] {
  const groups = new Map<string, Notice[]>();
  for (const notice of notices) {
    const key = [notice.service.uid, notice.type, notice.reason].join('\0');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [notice]);
    else if (!group.some(({ message }) => message === notice.message)) group.push(notice);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined || group.length <= MOST_ALIKE) return group.map((each) => shortened(each, ''));
    return [shortened(first, ` (and ${group.length - 1} more like this)`)];
  });
}

function shortened(notice: Notice, end: string): Notice {
  const room = MESSAGE_LENGTH - end.length;
  const { message } = notice;
  // Bytes count; what we say is ASCII but for names of annotations' values.
  const text = Buffer.byteLength(message) <= room ? message : `${message.slice(0, room / 4)}...`;
  return { ...notice, message: `${text}${end}` };
}

function refilled({ tokens, at }: Bucket, burst: number, every: number, now: number): number {
  return Math.min(burst, tokens + (now - at) / every);
}

function take(bucket: Bucket, burst: number, every: number, now: number): void {
  bucket.tokens = refilled(bucket, burst, every, now) - 1;
  bucket.at = now;
}
