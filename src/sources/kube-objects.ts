/**
 * The Kubernetes objects we read, with only the fields we use. Plain data: nothing here keeps the
 * document it came from alive, and it can be sent to another thread.
 */

/** Where an object was written. */
export interface Origin {
  readonly file: string;
  /** The line where the object begins, from 1. */
  readonly line: number;
  /** Lines of fields that may be complained about, by path: `spec.externalIPs.0`. */
  readonly lines: Readonly<Record<string, number>>;
}

interface KubeObject {
  readonly namespace: string;
  readonly name: string;
  /** Only those that we use. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Not there when it comes from an API server. */
  readonly origin?: Origin;
}

export interface ServicePort {
  /** '' when the port has no name, which only a Service's single port may do. */
  readonly name: string;
  readonly port: number;
  /** `TCP`, `UDP`, or something we do not do. */
  readonly protocol: string;
  /** Not there when none is allocated. */
  readonly nodePort?: number;
}

export interface LoadBalancerIngress {
  readonly ip?: string;
  /** `VIP` (default) or `Proxy`. */
  readonly ipMode?: string;
}

/** Of those that are ours. */
export interface ServiceCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

export interface Service extends KubeObject {
  readonly kind: 'Service';
  readonly type: string;
  /** Milliseconds since 1970. */
  readonly createdAt?: number;
  readonly clusterIP?: string;
  readonly externalIPs: readonly string[];
  readonly ingress: readonly LoadBalancerIngress[];
  readonly ports: readonly ServicePort[];
  readonly publishNotReadyAddresses: boolean;
  readonly sessionAffinity: string;
  /** sessionAffinityConfig.clientIP.timeoutSeconds */
  readonly affinitySeconds?: number;
  readonly externalTrafficPolicy: string;
  readonly loadBalancerClass?: string;
  readonly loadBalancerSourceRanges: readonly string[];
  readonly loadBalancerIP?: string;
  /** `IPv4`, `IPv6`, in the order of preference. */
  readonly ipFamilies?: readonly string[];
  readonly ipFamilyPolicy?: string;
  readonly conditions?: readonly ServiceCondition[];
  /** From an API server. */
  readonly uid?: string;
  /** metadata.resourceVersion, from an API server. */
  readonly version?: string;
  /** It is being deleted, and stays until its finalizers are gone. */
  readonly deleting?: true;
}

/** Conditions as the API means them when they are not said: ready, serving as ready, not terminating. */
export interface Endpoint {
  readonly addresses: readonly string[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** namespace/name of the pod. */
  readonly target?: string;
  readonly node?: string;
}

export interface EndpointPort {
  readonly name: string;
  /** Not said means "all ports", which we cannot use. */
  readonly port?: number;
  readonly protocol: string;
}

export interface EndpointSlice extends KubeObject {
  readonly kind: 'EndpointSlice';
  /** The Service it belongs to, by the label kubernetes.io/service-name. */
  readonly service?: string;
  readonly addressType: string;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** A node of the cluster, as far as packets to its node ports go. Without a namespace: ''. */
export interface KubeNode extends KubeObject {
  readonly kind: 'Node';
  /** As the Node says them, of both families. */
  readonly internalIPs: readonly string[];
  /** The condition Ready is True. */
  readonly ready: boolean;
  /** The label node.kubernetes.io/exclude-from-external-load-balancers, whatever its value. */
  readonly excluded: boolean;
  /** It is being deleted, or the cluster autoscaler is about to. */
  readonly leaving: boolean;
  /** The label l4lb.io/role=lb. */
  readonly isLb: boolean;
}

export type KubernetesObject = Service | EndpointSlice | KubeNode;
