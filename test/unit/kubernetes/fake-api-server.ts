/**
 * An API server in memory, as far as lists and watches go: objects with versions, pages that show one
 * moment, a log of events that can be forgotten, bookmarks, and faults on demand.
 */
import type { ApiAnswer, ApiConnection, ApiSession } from '../../../src/kubernetes/api-connection.ts';
import { ApiFailure } from '../../../src/kubernetes/api-failure.ts';

export interface StoredObject {
  readonly metadata: {
    /** Not there when it has none. */
    readonly namespace?: string;
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
  };
  readonly [field: string]: unknown;
}

interface LoggedEvent {
  readonly version: number;
  readonly type: string;
  readonly object: StoredObject;
}

/** What happens to one request, or in the midst of a watch. */
export type Fault =
  | 'refused'
  | 'reset'
  | 'truncated'
  | 'garbage'
  | 'error-500'
  | 'gone'
  | 'empty'
  | 'duplicates'
  | 'end';

interface Watcher {
  version: number;
  readonly chunks: string[];
  wake: () => void;
  ended: boolean;
  failure?: ApiFailure;
}

export class FakeApiServer implements ApiConnection {
  readonly #objects = new Map<string, StoredObject>();
  #version = 1;
  #log: LoggedEvent[] = [];
  /** Events up to this version are forgotten. */
  #forgotten = 0;
  #uid = 0;
  /** The last list was empty: no lie after that, or nobody could tell. */
  #wasEmpty = false;
  readonly #watchers = new Set<Watcher>();
  /** For the next requests, one each. */
  readonly faults: Fault[] = [];
  readonly requests: string[] = [];
  identitiesForgotten = 0;
  readonly #pages = new Map<string, StoredObject[]>();

  get objects(): readonly StoredObject[] {
    return [...this.#objects.values()];
  }

  get watching(): number {
    return this.#watchers.size;
  }

  put(namespace: string, name: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const key = `${namespace}/${name}`;
    const before = this.#objects.get(key);
    const uid = before?.metadata.uid ?? `uid-${++this.#uid}`;
    const place = namespace === '' ? {} : { namespace };
    const metadata = { ...place, name, uid, resourceVersion: String(++this.#version) };
    const object = { ...fields, metadata };
    this.#objects.set(key, object);
    this.#record(before === undefined ? 'ADDED' : 'MODIFIED', object);
  }

  remove(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    const before = this.#objects.get(key);
    if (before === undefined) return;
    this.#objects.delete(key);
    const metadata = { ...before.metadata, resourceVersion: String(++this.#version) };
    this.#record('DELETED', { ...before, metadata });
  }

  /** All that was logged is no longer known; watches that are open go on. */
  compact(): void {
    this.#log = [];
    this.#forgotten = this.#version;
    this.#pages.clear();
  }

  /** A sign of life that moves watches on. */
  bookmark(): void {
    for (const watcher of this.#watchers) {
      const metadata = { resourceVersion: String(watcher.version) };
      this.#send(watcher, `${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
    }
  }

  /** To every open watch. */
  strike(fault: Fault): void {
    for (const watcher of [...this.#watchers]) this.#strikeOne(watcher, fault);
  }

  forgetIdentity(): void {
    this.identitiesForgotten += 1;
  }

  async open(): Promise<ApiSession> {
    const open = new Set<Watcher>();
    return {
      get: async (path) => this.#answer(path, open),
      send: () => Promise.reject(new Error('nothing is written here')),
      close: () => {
        for (const watcher of open) this.#end(watcher, new ApiFailure('unreachable', 'closed by us'));
      },
    };
  }

  #answer(path: string, open: Set<Watcher>): ApiAnswer {
    this.requests.push(path);
    const fault = this.faults.shift();
    if (fault === 'refused') throw new ApiFailure('unreachable', 'refuses the connection');
    if (fault === 'error-500') return { status: 500, body: whole('{"message":"etcd is slow"}') };
    if (fault === 'gone') return { status: 410, body: whole('{"message":"too old"}') };
    const query = new URL(path, 'http://fake').searchParams;
    if (query.get('watch') === 'true') return this.#watch(Number(query.get('resourceVersion')), open, fault);
    const list = this.#list(query, fault);
    if (list === undefined)
      return { status: 410, body: whole('{"message":"the continue token is too old"}') };
    return { status: 200, body: broken(list, fault) };
  }

  #list(query: URLSearchParams, fault: Fault | undefined): string | undefined {
    const limit = Number(query.get('limit'));
    const token = query.get('continue');
    const [version = '', start = '0'] = token?.split(':') ?? [String(this.#version)];
    const all = token === null ? [...this.#objects.values()] : this.#pages.get(version);
    if (all === undefined) return undefined;
    const empty = fault === 'empty' && !this.#wasEmpty;
    if (token === null) this.#wasEmpty = empty || all.length === 0;
    if (token === null) this.#pages.set(version, all);
    const end = Number(start) + limit;
    const more = end < all.length && !empty;
    const metadata = { resourceVersion: version, ...(more ? { continue: `${version}:${end}` } : {}) };
    return JSON.stringify({ metadata, items: empty ? null : all.slice(Number(start), end) });
  }

  #watch(version: number, open: Set<Watcher>, fault: Fault | undefined): ApiAnswer {
    const watcher: Watcher = { version, chunks: [], wake: () => {}, ended: false };
    if (version < this.#forgotten) {
      this.#send(
        watcher,
        `${JSON.stringify({ type: 'ERROR', object: { code: 410, message: 'too old' } })}\n`,
      );
      this.#end(watcher);
      return { status: 200, body: stream(watcher) };
    }
    open.add(watcher);
    this.#watchers.add(watcher);
    for (const event of this.#log) if (event.version > version) this.#deliver(watcher, event);
    if (fault !== undefined) this.#strikeOne(watcher, fault);
    return { status: 200, body: stream(watcher) };
  }

  #record(type: string, object: StoredObject): void {
    const event = { version: this.#version, type, object };
    this.#log.push(event);
    for (const watcher of this.#watchers) this.#deliver(watcher, event);
  }

  #deliver(watcher: Watcher, event: LoggedEvent): void {
    watcher.version = event.version;
    this.#send(watcher, `${JSON.stringify({ type: event.type, object: event.object })}\n`);
  }

  #send(watcher: Watcher, text: string): void {
    watcher.chunks.push(text);
    watcher.wake();
  }

  #end(watcher: Watcher, failure?: ApiFailure): void {
    watcher.ended = true;
    if (failure !== undefined) watcher.failure = failure;
    this.#watchers.delete(watcher);
    watcher.wake();
  }

  #strikeOne(watcher: Watcher, fault: Fault): void {
    if (fault === 'duplicates') {
      for (const { type, object } of this.#log.slice(-5)) {
        // In order, and the newest is the truth again: what a resumed watch may repeat.
        this.#send(watcher, `${JSON.stringify({ type, object })}\n`);
      }
      return;
    }
    if (fault === 'truncated') this.#send(watcher, '{"type":"ADDED","object":{"metadata":{"na');
    if (fault === 'garbage') this.#send(watcher, '<html>502 Bad Gateway</html>\n');
    if (fault === 'error-500' || fault === 'gone') {
      const object = { code: fault === 'gone' ? 410 : 500, message: fault };
      this.#send(watcher, `${JSON.stringify({ type: 'ERROR', object })}\n`);
    }
    this.#end(
      watcher,
      fault === 'reset' ? new ApiFailure('unreachable', 'broke off the connection') : undefined,
    );
  }
}

async function* whole(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

async function* broken(text: string, fault: Fault | undefined): AsyncGenerator<Uint8Array> {
  if (fault === 'garbage') yield Buffer.from('<html>502</html>');
  else if (fault === 'truncated' || fault === 'reset') yield Buffer.from(text.slice(0, text.length / 2));
  else yield Buffer.from(text);
  if (fault === 'reset') throw new ApiFailure('unreachable', 'broke off the connection');
}

async function* stream(watcher: Watcher): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = watcher.chunks.shift();
    if (chunk !== undefined) {
      yield Buffer.from(chunk);
      continue;
    }
    if (watcher.failure !== undefined) throw watcher.failure;
    if (watcher.ended) return;
    await new Promise<void>((resolve) => {
      watcher.wake = resolve;
    });
  }
}
