/** The configuration of lb-agent after it was read: durations in milliseconds, addresses as numbers. */
import type { AttachMode } from '../kernel/kernel.ts';
import type { IpAddress } from '../net/address.ts';
import type { AddressSpan } from '../net/address-span.ts';
import type { Prefix } from '../net/prefix.ts';
import type { BackendKind, ServiceMode } from '../services/desired-state.ts';

/** SNAT addresses that follow each other; of IPv6 they differ in the last 32 bits only. */
export interface SnatRange {
  readonly first: IpAddress;
  readonly count: number;
  /** The node's own address: packets to it that belong to no flow are the kernel's. */
  readonly own: boolean;
}

/** Milliseconds without a packet after which a flow is given up, by its state. */
export interface Timeouts {
  readonly tcpSyn: number;
  readonly tcpEstablished: number;
  readonly tcpHalfClosed: number;
  /** How long a port is kept from the same backend after the close. */
  readonly tcpClosed: number;
  readonly udp: number;
  readonly udpReplied: number;
}

/** What Direct Server Return needs. */
export interface DsrConfig {
  /** Where outer headers come from: network | (flow hash & ~mask). At most one of a family. */
  readonly source: readonly Prefix[];
  readonly guePort: number;
  /** Milliseconds after a change of backends for which flows stay with their former one. */
  readonly window: { readonly tcp: number; readonly udp: number };
  /** Flows of a family that can be remembered during a window. */
  readonly rememberedFlows: number;
  /** Of a service and CPU. */
  readonly rememberPerSecond: number;
}

/** Addresses that Services of `type: LoadBalancer` get. */
export interface AddressPool {
  readonly name: string;
  /** Inside the VIP ranges; no address in two pools. */
  readonly addresses: readonly AddressSpan[];
  /** Also for Services that do not name the pool or an address of it. */
  readonly automatic: boolean;
}

/** What of the cluster is written, by one agent of all. */
export interface ControllerConfig {
  readonly enabled: boolean;
  /** In the order in which they are used up. */
  readonly pools: readonly AddressPool[];
  /** Services without loadBalancerClass get addresses too. */
  readonly withoutClass: boolean;
  readonly lease: {
    readonly namespace: string;
    readonly name: string;
    /** Milliseconds. */
    readonly duration: number;
  };
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export interface Config {
  readonly node: string;
  readonly runtimeDirectory: string;
  readonly bpfDirectory: string;
  readonly api: { readonly socket: string };
  readonly metrics: { readonly listen?: { readonly host: string; readonly port: number } };
  readonly source: {
    readonly kind: 'manifests' | 'kubernetes';
    readonly manifests: string;
    /** Without: the identity that Kubernetes gives to pods. */
    readonly kubeconfig?: string;
    /** None: all of the cluster. */
    readonly namespaces: readonly string[];
    /** Milliseconds until a source that lost all its objects is believed. */
    readonly secondLook: number;
    /** Nodes are known: they are in the manifests, or followed. */
    readonly nodes: boolean;
  };
  readonly vips: {
    /** IPv4 first, sorted by address, without overlap. */
    readonly ranges: readonly Prefix[];
    readonly device: { readonly name: string; readonly kind: 'dummy' | 'ifb' | 'existing' };
    readonly echo: boolean;
  };
  readonly devices: ReadonlyArray<{ readonly name: string; readonly attach: AttachMode }>;
  /** What the backends are of a Service that does not say. */
  readonly backends: BackendKind;
  /** How packets travel to the backends of a Service that does not say. */
  readonly mode: ServiceMode;
  /** Undefined: only SNAT is possible. */
  readonly dsr: DsrConfig | undefined;
  readonly snat: {
    /**
     * IPv4 first, sorted by address, neighbours joined; at most 4 ranges of a family and 256 addresses
     * together. None: only DSR is possible.
     */
    readonly ranges: readonly SnatRange[];
    /** Both ends included. */
    readonly ports: { readonly min: number; readonly max: number };
    /** Records beyond one a port and address, for ports that several backends' flows share. */
    readonly sharedFlows: number;
  };
  readonly hash: { readonly seedFile?: string; readonly nodes: number };
  readonly maglev: { readonly slots: number };
  readonly timeouts: Timeouts;
  readonly reject: {
    readonly unknownPort: boolean;
    readonly noBackend: boolean;
    readonly noFlow: boolean;
    /** Answers a second and CPU, of each kind. */
    readonly perSecond: number;
  };
  readonly limits: {
    /** Frontends: one port and protocol of one VIP counts one. */
    readonly services: number;
    readonly backends: number;
    /** Maglev slots of all live tables and those being built; a multiple of 32. */
    readonly slots: number;
    /** A power of two. */
    readonly nextHops: number;
  };
  readonly controller: ControllerConfig;
  readonly log: { readonly level: LogLevel };
}
