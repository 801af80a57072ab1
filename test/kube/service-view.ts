/** Services of type LoadBalancer as tests write and read them. */
import { waitFor } from '../rig/wait.ts';
import type { ApiClient, KubeObject } from './api-client.ts';

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

export interface LiveService {
  readonly metadata: { readonly uid: string; readonly resourceVersion: string };
  readonly spec: { readonly type: string };
  readonly status: {
    readonly loadBalancer: {
      readonly ingress?: ReadonlyArray<{ readonly ip?: string; readonly ipMode?: string }>;
    };
    readonly conditions?: readonly Condition[];
  };
}

export interface BalancerOptions {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly port?: number;
}

/** Of our class. */
export function balancer(
  name: string,
  { spec = {}, annotations = {}, port = 80 }: BalancerOptions = {},
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', annotations, labels: { 'made-by': 'test' } },
    spec: {
      type: 'LoadBalancer',
      loadBalancerClass: 'l4lb.io/lb',
      allocateLoadBalancerNodePorts: false,
      ports: [{ name: 'http', port, protocol: 'TCP', targetPort: 8080 }],
      ...spec,
    },
  };
}

export const read = async (api: ApiClient, name: string): Promise<LiveService> =>
  (await api.do('GET', `/api/v1/namespaces/default/services/${name}`)) as LiveService;

export const addressesOf = ({ status }: LiveService): string[] =>
  (status.loadBalancer.ingress ?? []).map(({ ip }) => ip ?? '');

export const conditionOf = ({ status }: LiveService): Condition | undefined =>
  status.conditions?.find(({ type }) => type === 'l4lb.io/AddressAllocated');

/** The Service when it is so. */
export async function until(
  api: ApiClient,
  name: string,
  what: string,
  holds: (service: LiveService) => boolean,
): Promise<LiveService> {
  let last: unknown;
  const look = async (): Promise<LiveService | false> => {
    const service = await read(api, name);
    last = service;
    return holds(service) && service;
  };
  const evidence = async (): Promise<string> => JSON.stringify(last, null, 1);
  return waitFor(`${name}: ${what}`, look, { timeout: 30_000, evidence });
}

export const untilAddresses = (api: ApiClient, name: string, ...wanted: string[]): Promise<LiveService> =>
  until(
    api,
    name,
    `addresses ${wanted.join(', ')}`,
    (service) => addressesOf(service).join() === wanted.join(),
  );

/** Our word on it is this, and no address has changed it. */
export const untilReason = (api: ApiClient, name: string, reason: string): Promise<LiveService> =>
  until(api, name, reason, (service) => conditionOf(service)?.reason === reason);

export interface LiveEvent {
  readonly involvedObject: { readonly name: string };
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
}

export async function eventsOf(api: ApiClient, name: string): Promise<LiveEvent[]> {
  const { items } = (await api.do('GET', '/api/v1/namespaces/default/events')) as { items: LiveEvent[] };
  return items.filter(({ involvedObject }) => involvedObject.name === name);
}

export const untilEvent = (api: ApiClient, name: string, reason: string): Promise<LiveEvent> =>
  waitFor(`${name}: event ${reason}`, async () =>
    (await eventsOf(api, name)).find((event) => event.reason === reason),
  );
