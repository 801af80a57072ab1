/** What the dataplane should do: the one shape that every source ends in. */

export type Protocol = 'TCP' | 'UDP';

/** How packets travel to the backends: translated, or (DSR) in an outer header or by MAC address. */
export const SERVICE_MODES = ['snat', 'ipip', 'gue', 'l2'] as const;
export type ServiceMode = (typeof SERVICE_MODES)[number];

/** What a service's packets are sent to: its pods, or the nodes' ports for it. */
export const BACKEND_KINDS = ['pods', 'node-ports'] as const;
export type BackendKind = (typeof BACKEND_KINDS)[number];

/** Whether packets get an outer header, which has a source of its own and may be of another family. */
export function isTunnel(mode: ServiceMode | undefined): boolean {
  return mode === 'ipip' || mode === 'gue';
}

/** VIP in its canonical spelling, port 1..65535. */
export interface Frontend {
  readonly vip: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** `draining` keeps the flows it has and gets no new ones. */
export type BackendState = 'active' | 'draining';

export interface DesiredBackend {
  readonly address: string;
  readonly port: number;
  /** Share of new flows in relation to the others; of an endpoint 0..100. 0 when draining. */
  readonly weight: number;
  readonly state: BackendState;
  /** Why it is draining, or why a terminating backend is still active. */
  readonly reason?:
    | 'weight 0'
    | 'not ready'
    | 'terminating'
    | 'serving while terminating'
    | 'no endpoint'
    | 'node not ready'
    | 'node excluded'
    | 'node leaving';
  /** namespace/name of the pod, when the slice says so. */
  readonly target?: string;
  /** The node that the endpoint is on, or whose port it is. */
  readonly node?: string;
}

export interface DesiredService {
  readonly frontend: Frontend;
  readonly namespace: string;
  readonly name: string;
  readonly portName?: string;
  readonly type: 'ExternalIPs' | 'LoadBalancer';
  /** Slots of the Maglev table: one of TABLE_SIZES. */
  readonly tableSize: number;
  readonly mode: ServiceMode;
  /** Connections of one client go to one backend (`sessionAffinity: ClientIP`). */
  readonly affinity?: {
    /** Milliseconds without a connection after which the client may get another one. */
    readonly timeout: number;
  };
  /** The hash leaves out the ports. */
  readonly hash3?: boolean;
  /** CIDRs of the VIP's family, sorted, none twice; not there: everybody may come. */
  readonly sourceRanges?: readonly string[];
  /**
   * Milliseconds after a change of backends for which flows stay with their former one; in DSR only, where
   * nothing else remembers them.
   */
  readonly window?: { readonly tcp: number; readonly udp: number };
  /** Of one family, sorted by address (as number), then port; no duplicates. */
  readonly backends: readonly DesiredBackend[];
}

/** Something a user wrote that cannot be done, or only in part. The rest is applied. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  /** Stable, for machines: `duplicate-frontend`, `yaml-syntax`, `address-outside-ranges`, ... */
  readonly code: string;
  /** What is wrong, with the value, and what to do. */
  readonly message: string;
  readonly object?: { readonly kind: string; readonly namespace: string; readonly name: string };
  readonly file?: string;
  readonly line?: number;
}

export interface DesiredState {
  /** Sorted by VIP, port, protocol; frontends are unique. */
  readonly services: readonly DesiredService[];
  readonly problems: readonly Problem[];
}

export const TABLE_SIZES = [251, 1021, 4099, 16381, 65537, 131071] as const;
