/** The requests by which the controller reads and writes Services and Events. */
import { APPLY_PATCH, type ApiClient, MERGE_PATCH } from '../kubernetes/api-client.ts';
import { ApiFailure, brokenAnswer } from '../kubernetes/api-failure.ts';
import { decodeService } from '../sources/kube-decoders.ts';
import type { Service } from '../sources/kube-objects.ts';
import type { EventWrite } from './event-book.ts';
import type { StatusPatch } from './service-status.ts';

/** Whose the fields are that we write, in `metadata.managedFields`. */
const FIELD_MANAGER = 'l4lb';
const PAGE = 250;

export class ClusterWrites {
  readonly #client: ApiClient;
  readonly #node: string;

  /** `node`: who writes, for the Events. */
  constructor(client: ApiClient, node: string) {
    this.#client = client;
    this.#node = node;
  }

  close(): void {
    this.#client.close();
  }

  /** All that there are at this moment; '' for all namespaces. */
  async listServices(namespace: string): Promise<Service[]> {
    const place = namespace === '' ? '' : `/namespaces/${namespace}`;
    const services: Service[] = [];
    let next = '';
    do {
      const query = new URLSearchParams({ limit: String(PAGE), ...(next === '' ? {} : { continue: next }) });
      const page = (await this.#client.ask(`/api/v1${place}/services?${query}`)) as {
        items?: readonly unknown[] | null;
        metadata?: { continue?: string };
      };
      services.push(...(page.items ?? []).map(taken));
      next = page.metadata?.continue ?? '';
    } while (next !== '');
    return services;
  }

  async readService({ namespace, name }: Pick<Service, 'namespace' | 'name'>): Promise<Service> {
    return taken(await this.#client.ask(`/api/v1/namespaces/${namespace}/services/${name}`));
  }

  /** The Service as it is then. A conflict: it is another than the patch was made for. */
  async writeStatus(patch: StatusPatch): Promise<Service> {
    const { namespace, name } = patch.metadata;
    const query = new URLSearchParams({ fieldManager: FIELD_MANAGER, force: 'true' });
    const path = `/api/v1/namespaces/${namespace}/services/${name}/status?${query}`;
    return taken(await this.#client.ask(path, { method: 'PATCH', type: APPLY_PATCH, value: patch }));
  }

  /** The count that the Event has then. `now` in milliseconds since 1970. */
  async writeEvent(write: EventWrite, now: number): Promise<number | undefined> {
    if (write.firstAt === undefined) {
      try {
        return await this.#createEvent(write, now);
      } catch (error) {
        // A leader before us has said the same.
        if (!(error instanceof ApiFailure) || error.kind !== 'conflict') throw error;
      }
    }
    const { notice, name, count } = write;
    const value = { lastTimestamp: wholeSeconds(now), ...(count === undefined ? {} : { count }) };
    const path = `/api/v1/namespaces/${notice.service.namespace}/events/${name}`;
    try {
      const event = await this.#client.ask(path, { method: 'PATCH', type: MERGE_PATCH, value });
      return (event as { count?: number }).count;
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.kind !== 'missing') throw error;
      return this.#createEvent(write, now);
    }
  }

  async #createEvent({ name, notice }: EventWrite, now: number): Promise<number> {
    const { service, type, reason, message } = notice;
    const { namespace, uid } = service;
    const time = wholeSeconds(now);
    const value = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name },
      involvedObject: { apiVersion: 'v1', kind: 'Service', namespace, name: service.name, uid },
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component: FIELD_MANAGER, host: this.#node },
      reportingComponent: 'l4lb.io/controller',
      reportingInstance: this.#node,
    };
    const path = `/api/v1/namespaces/${namespace}/events`;
    await this.#client.ask(path, { method: 'POST', type: 'application/json', value });
    return 1;
  }
}

/** RFC 3339 in whole seconds, as the API writes Time. */
export function wholeSeconds(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
}

function taken(object: unknown): Service {
  const decoded = decodeService(object);
  if (decoded.ok) return decoded.value;
  throw brokenAnswer('a Service that cannot be read');
}
