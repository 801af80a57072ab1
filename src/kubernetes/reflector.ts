/**
 * Follows one list of an API server for ever: reads it page by page, then watches it, and begins anew
 * when that is needed. Why it is ours, and what it promises: docs/decisions/following-an-api-server.md.
 */
import { Pause } from '../node/pause.ts';
import type { Timers } from '../node/timers.ts';
import type { ApiConnection, ApiSession } from './api-connection.ts';
import {
  ApiFailure,
  brokenAnswer,
  failureOfAnswer,
  failureOfError,
  failureOfErrorEvent,
} from './api-failure.ts';
import { jsonBody, jsonLines, textBody } from './json-lines.ts';
import { type RetryLimits, retryDelay } from './retry-delay.ts';

/** Takes what is heard. What it throws is contained, and the list is read anew. */
export interface ReflectorHandler<T> {
  /** An object as the server wrote it, to what is kept of it. */
  read(object: unknown): T;
  /** The complete list: what is not in it is gone. Nothing else is said before it resolves. */
  replace(items: readonly T[]): Promise<void> | void;
  upsert(item: T): void;
  remove(item: T): void;
  /** How many objects there are by what was heard until now. */
  readonly size: number;
}

/** Milliseconds, but for the page. */
export interface ReflectorTimes {
  /** Most objects a page; large ones make it shorter. */
  readonly page: number;
  /** The server ends a watch after something between the two. */
  readonly watchMin: number;
  readonly watchMax: number;
  readonly retry: RetryLimits;
  /** The longest wait while there is no answer at all: a server that is back is asked soon. */
  readonly retryUnreachable: number;
  /** Before a list that became empty is believed. */
  readonly secondLook: number;
}

export interface ReflectorState {
  /** A complete list was heard and believed. */
  readonly synced: boolean;
  /** A watch is open. */
  readonly connected: boolean;
  /** Milliseconds since 1970 of the last event, bookmark or complete list. */
  readonly lastHeardAt?: number;
  /** Complete lists after the first. */
  readonly relists: number;
  /** Attempts that failed. */
  readonly errors: number;
  /** What is wrong now, and since when. */
  readonly failure?: { readonly message: string; readonly since: number };
  /** The last list was empty, and is not believed yet. */
  readonly doubted: boolean;
}

export interface ReflectorOptions<T> {
  readonly connection: ApiConnection;
  /** `/api/v1/services` */
  readonly path: string;
  readonly labelSelector?: string;
  readonly handler: ReflectorHandler<T>;
  /** Called when synced or doubt is another than before, and at each failure. */
  readonly onState: () => void;
  readonly times: ReflectorTimes;
  readonly timers: Timers;
  /** 0 to 1. */
  readonly random: () => number;
}

/** A watch that ended within this without a word is a failure, or we would ask without a pause. */
const SHORT_WATCH_MS = 1_000;
/** Errors on the watch in a row after which the resource version is not trusted any more. */
const ANSWERS_UNTIL_RELIST = 3;
/** Decoded in one go: some milliseconds of full EndpointSlices. */
const OBJECTS_AT_A_TIME = 50;
/** Parsing a page is one step. Full EndpointSlices have 25 KB, usual ones one or two. */
const PAGE_LENGTH = 2 ** 20;
const FIRST_PAGE = 100;

export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  #state: ReflectorState = { synced: false, connected: false, relists: 0, errors: 0, doubted: false };
  #running: Promise<void> | undefined;
  #stopped = false;
  #session: ApiSession | undefined;
  readonly #pause: Pause;
  /** To go on from; undefined: a list is needed. */
  #resume: string | undefined;
  /** In a row; a watch that was alive ends the row. A list does not, or one without a watch would be read on and on. */
  #failures = 0;
  #failingSince = 0;
  /** Of them those with no answer at all: an outage, however long, says nothing of a server that answers. */
  #unreachable = 0;
  #refusals = 0;
  #heard = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#pause = new Pause(options.timers);
  }

  get state(): ReflectorState {
    return this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is called any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pause.end();
    this.#session?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        if (this.#resume === undefined) await this.#listAndBelieve();
        else await this.#watch(this.#resume);
      } catch (error) {
        if (!this.#stopped) await this.#recover(failureOfError(error));
      }
    }
  }

  async #recover(failure: ApiFailure): Promise<void> {
    const { connection, times, timers, random } = this.#options;
    const watching = this.#resume !== undefined;
    if (failure.unauthorized) connection.forgetIdentity();
    if (failure.kind === 'gone') this.#resume = undefined;
    if (failure.kind === 'refused' || failure.kind === 'missing' || failure.kind === 'conflict') {
      this.#refusals += 1;
    }
    if (this.#refusals >= ANSWERS_UNTIL_RELIST) this.#resume = undefined;
    this.#failures += 1;
    if (this.#failures === 1) this.#failingSince = timers.now();
    // A resource version that was forgotten is an everyday event: the list is next, at once.
    if (failure.kind === 'gone' && watching && this.#failures === 1) return;
    // Nor is a watch that broke off worth a word, if the next attempt succeeds.
    const grave = !watching || this.#failures > 1;
    const shown = { failure: { message: failure.message, since: this.#failingSince } };
    // After a failure an empty list is doubted anew: the one before it says nothing of this one.
    this.#change({ errors: this.#state.errors + 1, doubted: false, ...(grave ? shown : {}) });
    const { first, last } = times.retry;
    const isAway = failure.kind === 'unreachable';
    if (isAway) this.#unreachable += 1;
    const longest = isAway ? Math.min(last, times.retryUnreachable) : last;
    const failures = isAway ? this.#failures : this.#failures - this.#unreachable;
    await this.#pause.wait(retryDelay(failures, { first, last: longest }, random()));
  }

  async #listAndBelieve(): Promise<void> {
    const { handler, times, timers } = this.#options;
    const { items, version } = await this.#list();
    const before = this.#state;
    if (items.length === 0 && (handler.size > 0 || !before.synced) && !before.doubted) {
      this.#change({ doubted: true, lastHeardAt: timers.now() }, true);
      await this.#pause.wait(times.secondLook);
      return;
    }
    await takenIn(() => handler.replace(items))?.catch((error) => {
      throw notTaken(error);
    });
    this.#resume = version;
    this.#refusals = 0;
    this.#change(
      {
        synced: true,
        doubted: false,
        lastHeardAt: timers.now(),
        relists: before.relists + (before.synced ? 1 : 0),
      },
      true,
    );
  }

  /** All pages of one list. */
  #list(): Promise<{ items: T[]; version: string }> {
    const { handler, times } = this.#options;
    return this.#converse(async (session) => {
      const items: T[] = [];
      let first: string | undefined;
      let next = '';
      let limit = Math.min(times.page, FIRST_PAGE);
      do {
        const query = { limit: String(limit), ...(next === '' ? {} : { continue: next }) };
        const { value, length } = await this.#getJson(session, query);
        const page = readPage(value);
        limit = nextLimit(page.items.length, length, times.page);
        for (const object of page.items) {
          items.push(takenIn(() => handler.read(object)));
          // Packets do not wait for us, but everything else in this process does.
          if (items.length % OBJECTS_AT_A_TIME === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        first ??= page.version;
        next = page.next;
      } while (next !== '');
      return { items, version: first };
    });
  }

  async #watch(version: string): Promise<void> {
    const { times, timers, random } = this.#options;
    const seconds = Math.round((times.watchMin + (times.watchMax - times.watchMin) * random()) / 1_000);
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(seconds),
    };
    let began = timers.now();
    let opened = false;
    const heard = this.#heard;
    try {
      await this.#converse(async (session) => {
        const answer = await session.get(this.#path(query));
        if (answer.status !== 200) throw failureOfAnswer(answer.status, await textBody(answer.body));
        opened = true;
        began = timers.now();
        this.#change({ connected: true }, true);
        for await (const event of jsonLines(answer.body)) {
          if (this.#stopped) return;
          this.#take(event);
        }
      });
      if (!this.#stopped && this.#heard === heard && timers.now() - began < SHORT_WATCH_MS) {
        throw brokenAnswer('a watch that ended at once');
      }
    } finally {
      if (opened && timers.now() - began >= SHORT_WATCH_MS) this.#alive();
      this.#change({ connected: false });
    }
  }

  #take(event: unknown): void {
    const { handler, timers } = this.#options;
    const { type, object } = (event ?? {}) as { type?: unknown; object?: unknown };
    if (type === 'ERROR') throw failureOfErrorEvent(object);
    const version = (object as { metadata?: { resourceVersion?: unknown } } | null)?.metadata
      ?.resourceVersion;
    if (typeof version !== 'string') throw brokenAnswer('an event without a resource version');
    // If it throws, what we know is not what the server said.
    this.#resume = undefined;
    takenIn(() => {
      if (type === 'ADDED' || type === 'MODIFIED') handler.upsert(handler.read(object));
      else if (type === 'DELETED') handler.remove(handler.read(object));
    });
    this.#resume = version;
    this.#heard += 1;
    this.#alive();
    this.#state = { ...this.#state, lastHeardAt: timers.now() };
  }

  #alive(): void {
    this.#failures = 0;
    this.#refusals = 0;
    this.#unreachable = 0;
  }

  async #getJson(session: ApiSession, query: Readonly<Record<string, string>>) {
    const answer = await session.get(this.#path(query));
    if (answer.status !== 200) throw failureOfAnswer(answer.status, await textBody(answer.body));
    return jsonBody(answer.body);
  }

  #path(query: Readonly<Record<string, string>>): string {
    const { path, labelSelector } = this.#options;
    return `${path}?${new URLSearchParams({ ...query, ...(labelSelector ? { labelSelector } : {}) })}`;
  }

  async #converse<R>(talk: (session: ApiSession) => Promise<R>): Promise<R> {
    const session = await this.#options.connection.open();
    this.#session = session;
    try {
      if (this.#stopped) throw brokenAnswer('it was not waited for');
      return await talk(session);
    } finally {
      this.#session = undefined;
      session.close();
    }
  }

  /** `well`: the server has answered as it should, so no failure is left. */
  #change(changes: Partial<ReflectorState>, well = false): void {
    const before = this.#state;
    const { failure, ...rest } = { ...before, ...changes };
    this.#state = { ...rest, ...(well || failure === undefined ? {} : { failure }) };
    const { synced, doubted } = this.#state;
    if (before.failure !== this.#state.failure || before.synced !== synced || before.doubted !== doubted) {
      try {
        this.#options.onState();
      } catch {
        // Whoever was to be told asks again with the next change.
      }
    }
  }
}

/** How many objects fit a page that is parsed in one go, by the page before. */
function nextLimit(objects: number, length: number, most: number): number {
  return Math.max(1, Math.min(most, Math.floor((objects * PAGE_LENGTH) / length)));
}

/** What a handler throws is its own affair, and no reason to end. */
function takenIn<R>(take: () => R): R {
  try {
    return take();
  } catch (error) {
    throw notTaken(error);
  }
}

function notTaken(error: unknown): ApiFailure {
  const reason = error instanceof Error ? error.message : String(error);
  return new ApiFailure('unreachable', `sent what could not be taken in (${reason})`);
}

function readPage(value: unknown): { items: readonly unknown[]; version: string; next: string } {
  const { metadata, items } = (value ?? {}) as {
    metadata?: { resourceVersion?: unknown; continue?: unknown } | null;
    items?: unknown;
  };
  const version = metadata?.resourceVersion;
  if (typeof version !== 'string' || version === '') throw brokenAnswer('a list without a resource version');
  // Go writes an empty list as null.
  if (items !== null && items !== undefined && !Array.isArray(items)) {
    throw brokenAnswer('a list without items');
  }
  return {
    items: items ?? [],
    version,
    next: typeof metadata?.continue === 'string' ? metadata.continue : '',
  };
}
