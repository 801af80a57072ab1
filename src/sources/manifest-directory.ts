/**
 * The manifest directory as a source: watches it, looks again when something happens, and every few
 * seconds for what the watch may miss.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename } from 'node:path';
import { systemTimers, type Timers } from '../node/timers.ts';
import type { Problem } from '../services/desired-state.ts';
import { isManifestName, ManifestFolder } from './manifest-folder.ts';
import { ManifestStore, type Settled } from './manifest-store.ts';
import type { Source, SourceSnapshot, WatchStatus } from './source.ts';

/** All in milliseconds. */
export interface ManifestDirectoryOptions {
  readonly directory: string;
  /** Before the loss of all objects is believed; default 5,000. */
  readonly secondLook?: number;
  /** A file being written is left alone until it was quiet for this long; default 20. */
  readonly debounce?: number;
  /** Between looks without a cause; default 10,000. */
  readonly rescan?: number;
  /** Before a removed file is believed gone; default 500. */
  readonly removalSettle?: number;
  readonly timers?: Timers;
}

/** A rename is complete when we hear of it; only its second event is waited for. */
const RENAME_DEBOUNCE_MS = 2;

export class ManifestDirectory implements Source {
  readonly kind = 'manifests';
  readonly location: string;
  readonly #folder: ManifestFolder;
  readonly #store: ManifestStore;
  readonly #timers: Timers;
  readonly #debounce: number;
  readonly #rescan: number;
  #onChange: () => void = () => {};
  #watcher: { readonly watcher: FSWatcher; readonly identity: string } | undefined;
  #running = false;
  /** Names to look at; `all` for the whole directory. */
  #wanted: { all: boolean; names: Set<string> } = { all: false, names: new Set() };
  #looking: Promise<void> | undefined;
  #cancelDebounce: (() => void) | undefined;
  #debounceEnd = 0;
  #cancelRescan: (() => void) | undefined;
  #cancelDoubt: (() => void) | undefined;

  constructor(options: ManifestDirectoryOptions) {
    this.location = options.directory;
    this.#timers = options.timers ?? systemTimers;
    this.#debounce = options.debounce ?? 20;
    this.#rescan = options.rescan ?? 10_000;
    this.#folder = new ManifestFolder(options.directory);
    this.#store = new ManifestStore({
      location: options.directory,
      secondLook: options.secondLook ?? 5_000,
      removalSettle: options.removalSettle ?? 500,
    });
  }

  snapshot(): SourceSnapshot {
    return this.#store.snapshot;
  }

  watches(): readonly WatchStatus[] {
    return [];
  }

  async start(onChange: () => void): Promise<void> {
    this.#running = true;
    this.#wanted.all = true;
    await this.look();
    this.#onChange = onChange;
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#onChange = () => {};
    this.#cancelDebounce?.();
    this.#cancelRescan?.();
    this.#cancelDoubt?.();
    this.#watcher?.watcher.close();
    this.#watcher = undefined;
    await this.#looking;
  }

  /** Looks at the whole directory now; resolves when snapshot() tells what was found. */
  async look(): Promise<void> {
    this.#wanted.all = true;
    await this.#lookNow();
  }

  /** One look at a time; what is wanted meanwhile comes after it. */
  #lookNow(): Promise<void> {
    this.#looking ??= this.#lookWhileWanted();
    return this.#looking;
  }

  async #lookWhileWanted(): Promise<void> {
    // So that #looking is set before this function can come to its end.
    await Promise.resolve();
    try {
      while (this.#running && (this.#wanted.all || this.#wanted.names.size > 0)) {
        const { all, names } = this.#wanted;
        this.#wanted = { all: false, names: new Set() };
        const settled = await this.#lookOnce(all ? undefined : names);
        if (!this.#running) return;
        this.#schedule(settled);
        if (settled.changed) this.#onChange();
      }
    } finally {
      this.#looking = undefined;
    }
  }

  async #lookOnce(only: ReadonlySet<string> | undefined): Promise<Settled> {
    try {
      // Files may have changed between the last look and a new watch.
      const names = this.#armWatch() ? undefined : only;
      await this.#folder.look(names, (news) => {
        if (news.state === 'read') this.#store.read(news.name, news.parsed);
        else if (news.state === 'unchanged') this.#store.unchanged(news.name);
        else this.#store.gone(news.name, this.#timers.now());
      });
      return this.#store.settle(this.#timers.now());
    } catch (error) {
      this.#watcher?.watcher.close();
      this.#watcher = undefined;
      return this.#store.unreadable(unreadableProblem(this.location, error));
    }
  }

  #schedule({ lookAgainAt }: Settled): void {
    this.#cancelRescan?.();
    // Without a watch (no directory) nobody tells us when it is back.
    const rescan = this.#watcher === undefined ? Math.min(this.#rescan, 1_000) : this.#rescan;
    this.#cancelRescan = this.#timers.after(rescan, () => void this.look());
    this.#cancelDoubt?.();
    this.#cancelDoubt = undefined;
    if (lookAgainAt !== undefined) {
      const wait = Math.max(1, lookAgainAt - this.#timers.now());
      this.#cancelDoubt = this.#timers.after(wait, () => void this.look());
    }
  }

  /** Watches the directory that has the name now; it may have been replaced. True: it is a new one. */
  #armWatch(): boolean {
    const { dev, ino } = statSync(this.location);
    const identity = `${dev}:${ino}`;
    if (this.#watcher?.identity === identity) return false;
    this.#watcher?.watcher.close();
    const watcher = watch(this.location, (event, name) => this.#noticed(event, name));
    watcher.on('error', () => this.#noticed('rename', null));
    this.#watcher = { watcher, identity };
    return true;
  }

  #noticed(event: string, name: string | null): void {
    // `..data` is the link that Kubernetes swaps when it updates a mounted ConfigMap.
    if (name === null || name.startsWith('..') || name === basename(this.location)) this.#wanted.all = true;
    else if (isManifestName(name)) this.#wanted.names.add(name);
    else return;
    const wait = event === 'rename' ? RENAME_DEBOUNCE_MS : this.#debounce;
    const end = this.#timers.now() + wait;
    // A write puts off the look (the file is not complete), a rename does not put off nor hasten one.
    if (this.#cancelDebounce !== undefined && event === 'rename' && end <= this.#debounceEnd) return;
    this.#cancelDebounce?.();
    this.#debounceEnd = end;
    this.#cancelDebounce = this.#timers.after(wait, () => {
      this.#cancelDebounce = undefined;
      void this.#lookNow();
    });
  }
}

function unreadableProblem(file: string, error: unknown): Problem {
  const reason = error instanceof Error ? error.message : String(error);
  const message = `the manifest directory cannot be read (${reason}); everything stays as it is until it can`;
  return { severity: 'error', code: 'source-unreadable', message, file };
}
