/**
 * What services are called, for the API, and as a file for lbctl without an agent. The file is written
 * beside other work and not for each change: of ten thousand services it has megabytes.
 */
import { open, rename } from 'node:fs/promises';
import type { Config } from '../config/config.ts';
import {
  frontendNames,
  nameOfFrontend,
  namesHeader,
  namesOf,
  readServiceNames,
  type ServiceNames,
} from '../dataplane/service-names.ts';
import type { DesiredService } from '../services/desired-state.ts';
import { type ListChanges, listChanges } from '../services/list-changes.ts';
import { runInSlices } from '../slices/run-in-slices.ts';

/** Writing takes at most this share of the time. */
const SHARE = 1 / 50;
const CHUNK_LENGTH = 2 ** 18;

export interface KeptNamesOptions {
  readonly file: string;
  readonly hz: number;
  /** Losing the file loses names, so it does not fail a change. */
  readonly onFailure: (error: unknown) => void;
}

export class KeptNames {
  readonly #options: KeptNamesOptions;
  readonly #frontends = new Map<string, DesiredService>();
  /** What the file says of a service: made once, or each write would leave megabytes to be collected. */
  readonly #texts = new Map<DesiredService, string>();
  #services: readonly DesiredService[] = [];
  #config: Config;
  #names: ServiceNames;
  #stale = false;
  #writing: Promise<void> | undefined;
  #pause: { readonly timer: NodeJS.Timeout; readonly end: () => void } | undefined;
  #stopped = false;

  /** Until the source has spoken, what an earlier agent knew about the maps it left. */
  constructor(config: Config, options: KeptNamesOptions) {
    this.#options = options;
    this.#config = config;
    this.#names = readServiceNames(options.file) ?? namesOf(this.#frontends, config, options.hz);
  }

  get names(): ServiceNames {
    return this.#names;
  }

  /** Pauses; not to be called before the last call has ended. */
  async follow(services: readonly DesiredService[], config: Config): Promise<void> {
    if (this.#services === services && this.#config === config) return;
    await runInSlices(this.#rename(listChanges(this.#services, services)));
    this.#services = services;
    this.#config = config;
    this.#names = namesOf(this.#frontends, config, this.#options.hz);
    this.#stale = true;
    this.#writing ??= this.#keepWriting();
  }

  *#rename({ gone, come }: ListChanges<DesiredService>): Generator<void> {
    for (const service of gone) {
      this.#frontends.delete(nameOfFrontend(service));
      this.#texts.delete(service);
      yield;
    }
    for (const service of come) {
      this.#frontends.set(nameOfFrontend(service), service);
      yield;
    }
  }

  /** Writes what is not written yet. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pause?.end();
    await this.#writing;
  }

  async #keepWriting(): Promise<void> {
    while (this.#stale) {
      this.#stale = false;
      const started = performance.now();
      try {
        await this.#write();
      } catch (error) {
        this.#options.onFailure(error);
      }
      if (!this.#stopped) await this.#rest((performance.now() - started) / SHARE);
    }
    this.#writing = undefined;
  }

  #rest(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(this.#pause?.timer);
        this.#pause = undefined;
        resolve();
      };
      this.#pause = { timer: setTimeout(end, milliseconds), end };
    });
  }

  async #write(): Promise<void> {
    const { file, hz } = this.#options;
    const beside = `${file}.new-${process.pid}`;
    const header = JSON.stringify(namesHeader(this.#config, hz));
    const services = this.#services;
    const handle = await open(beside, 'w', 0o644);
    try {
      await handle.write(`${header.slice(0, -1)},"frontends":{`);
      for (let next = 0; next < services.length; ) {
        const chunk = await runInSlices(this.#chunkFrom(services, next));
        next = chunk.next;
        await handle.write(chunk.text);
      }
      await handle.write('}}\n');
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  }

  /** Some services as members of a JSON object, from this one on. */
  *#chunkFrom(
    services: readonly DesiredService[],
    first: number,
  ): Generator<void, { readonly text: string; readonly next: number }> {
    const parts: string[] = [];
    let length = 0;
    let next = first;
    while (next < services.length && length < CHUNK_LENGTH) {
      const text = this.#textOf(services[next] as DesiredService);
      parts.push(text);
      length += text.length;
      next += 1;
      yield;
    }
    return { text: `${first === 0 ? '' : ','}${parts.join()}`, next };
  }

  #textOf(service: DesiredService): string {
    const known = this.#texts.get(service);
    if (known !== undefined) return known;
    const name = nameOfFrontend(service);
    const text = `${JSON.stringify(name)}:${JSON.stringify(frontendNames(service))}`;
    // While the file is written, services go.
    if (this.#frontends.get(name) === service) this.#texts.set(service, text);
    return text;
  }
}
