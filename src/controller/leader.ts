/** Takes part in the election by a Lease: reads it, writes it, lets it go at the end. */
import { type ApiClient, MERGE_PATCH } from '../kubernetes/api-client.ts';
import { ApiFailure, brokenAnswer, failureOfError } from '../kubernetes/api-failure.ts';
import { retryDelay } from '../kubernetes/retry-delay.ts';
import { Pause } from '../node/pause.ts';
import type { Timers } from '../node/timers.ts';
import {
  decideLease,
  type LeaseMemory,
  type LeaseRecord,
  type LeaseTerms,
  leads,
  noteLease,
  noteRenewal,
  releasedRecord,
  renewEvery,
} from './decide-lease.ts';

export interface LeaderOptions extends LeaseTerms {
  readonly client: ApiClient;
  readonly place: { readonly namespace: string; readonly name: string };
  /** Called when we have begun or ceased to lead. */
  readonly onChange: (leads: boolean) => void;
  readonly timers: Timers;
  /** Milliseconds of a clock that does not jump. */
  readonly clock: () => number;
  readonly random: () => number;
}

export interface LeaderState {
  readonly leads: boolean;
  /** Identity of the leader as far as known; '': nobody. */
  readonly holder: string;
  /** What is wrong now, and since when (milliseconds since 1970). */
  readonly failure?: { readonly message: string; readonly since: number };
}

const STOP_MS = 2_000;

export class Leader {
  readonly #options: LeaderOptions;
  readonly #path: string;
  #memory: LeaseMemory;
  #version = '';
  #said = false;
  #failures = 0;
  #failure: LeaderState['failure'];
  #stopped = false;
  #running: Promise<void> | undefined;
  readonly #pause: Pause;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#pause = new Pause(options.timers);
    this.#memory = { since: options.clock() };
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.place.namespace}/leases`;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Lets the Lease go. Nothing is called after it resolves. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pause.end();
    // What is under way may end, or its outcome would be unknown; a server that hangs is not waited for.
    const giveUp = this.#options.timers.after(STOP_MS, () => this.#options.client.close());
    await this.#running;
    if (this.leads) await this.#release();
    giveUp();
    this.#memory = { since: 0 };
    this.#options.client.close();
  }

  /** True only while no other can have taken over. */
  get leads(): boolean {
    return leads(this.#memory, this.#options, this.#options.clock());
  }

  get state(): LeaderState {
    return {
      leads: this.leads,
      holder: this.#memory.record?.holder ?? '',
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
    };
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let pause: number;
      try {
        pause = await this.#step();
        this.#failures = 0;
        this.#failure = undefined;
      } catch (error) {
        pause = this.#failed(failureOfError(error));
      }
      this.#tell();
      await this.#pause.wait(pause);
      this.#tell();
    }
  }

  /** One look and at most one write. Milliseconds until the next. */
  async #step(): Promise<number> {
    const { clock } = this.#options;
    if (!this.leads) await this.#read();
    const action = decideLease(this.#memory, this.#options, clock(), microTime());
    if (action.do === 'wait') return action.ms;
    await this.#write(action.record, action.do === 'create');
    return renewEvery(this.#options);
  }

  async #read(): Promise<void> {
    const { client, place, clock } = this.#options;
    try {
      const lease = await client.ask(`${this.#path}/${place.name}`);
      this.#memory = noteLease(this.#memory, this.#take(lease), clock());
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.kind !== 'missing') throw error;
      this.#memory = noteLease(this.#memory, undefined, clock());
    }
  }

  async #write(record: LeaseRecord, create: boolean): Promise<void> {
    const { client, place, clock } = this.#options;
    const begun = clock();
    const metadata = create ? { name: place.name } : { name: place.name, resourceVersion: this.#version };
    const value = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata,
      spec: {
        holderIdentity: record.holder,
        leaseDurationSeconds: record.durationSeconds,
        acquireTime: record.acquireTime || null,
        renewTime: record.renewTime,
        leaseTransitions: record.transitions,
      },
    };
    try {
      const lease = create
        ? await client.ask(this.#path, { method: 'POST', type: 'application/json', value })
        : await client.ask(`${this.#path}/${place.name}`, { method: 'PATCH', type: MERGE_PATCH, value });
      // As the server wrote it, or the same would look like another's.
      this.#memory = noteRenewal(this.#take(lease), begun);
    } catch (error) {
      if (!(error instanceof ApiFailure) || (error.kind !== 'conflict' && error.kind !== 'missing'))
        throw error;
      // Somebody was faster: the next look says who.
      await this.#read();
    }
  }

  async #release(): Promise<void> {
    const { record } = this.#memory;
    if (record === undefined) return;
    try {
      await this.#write(releasedRecord(record, microTime()), false);
    } catch {
      // Then the others wait until it has run out.
    }
  }

  #take(lease: unknown): LeaseRecord {
    const { metadata, spec } = (lease ?? {}) as {
      metadata?: { resourceVersion?: unknown };
      spec?: Readonly<Record<string, unknown>> | null;
    };
    if (typeof metadata?.resourceVersion !== 'string')
      throw brokenAnswer('a Lease without a resource version');
    this.#version = metadata.resourceVersion;
    const text = (value: unknown): string => (typeof value === 'string' ? value : '');
    const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
    return {
      holder: text(spec?.holderIdentity),
      durationSeconds: number(spec?.leaseDurationSeconds),
      acquireTime: text(spec?.acquireTime),
      renewTime: text(spec?.renewTime),
      transitions: number(spec?.leaseTransitions),
    };
  }

  #failed(failure: ApiFailure): number {
    const { timers, random } = this.#options;
    this.#failures += 1;
    this.#failure = { message: failure.message, since: this.#failure?.since ?? timers.now() };
    const every = renewEvery(this.#options);
    // While we lead there is no time for longer pauses.
    const last = this.leads ? every : this.#options.duration;
    return retryDelay(this.#failures, { first: 500, last }, random());
  }

  #tell(): void {
    const now = this.leads;
    if (this.#stopped || now === this.#said) return;
    this.#said = now;
    this.#options.onChange(now);
  }
}

/** Now, as the API writes MicroTime. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
