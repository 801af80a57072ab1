/**
 * Kubernetes' own shapes of Service and EndpointSlice, read into ours. Unknown fields are ignored and
 * null is the same as nothing, as in the API. Used by every source.
 */
import { z } from 'zod';
import { type Decoded, flag, given, issuesOf, list, metadata, text } from './decoding.ts';
import type {
  Endpoint,
  EndpointPort,
  EndpointSlice,
  Service,
  ServiceCondition,
  ServicePort,
} from './kube-objects.ts';

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
export const DEFAULT_NAMESPACE = 'default';

/** Others are dropped: kubectl's record of the applied object is as large as the object. */
const USED_ANNOTATIONS = ['l4lb.io/', 'service.beta.kubernetes.io/load-balancer-source-ranges'];

/** Of conditions on a Service: others are nothing to us. */
const OUR_CONDITIONS = 'l4lb.io/';

const serviceSchema = z.object({
  metadata,
  spec: z
    .object({
      type: text,
      clusterIP: text,
      externalIPs: list(z.string()),
      ports: list(z.object({ name: text, port: z.int(), protocol: text, nodePort: z.int().nullish() })),
      publishNotReadyAddresses: flag,
      sessionAffinity: text,
      sessionAffinityConfig: z
        .object({ clientIP: z.object({ timeoutSeconds: z.int().nullish() }).nullish() })
        .nullish(),
      externalTrafficPolicy: text,
      loadBalancerClass: text,
      loadBalancerSourceRanges: list(z.string()),
      loadBalancerIP: text,
      ipFamilies: list(z.string()),
      ipFamilyPolicy: text,
    })
    .nullish(),
  status: z
    .object({
      loadBalancer: z.object({ ingress: list(z.object({ ip: text, ipMode: text })) }).nullish(),
      conditions: list(
        z.object({ type: text, status: text, reason: text, message: text, lastTransitionTime: text }),
      ),
    })
    .nullish(),
});

const sliceSchema = z.object({
  metadata,
  addressType: z.string(),
  ports: list(z.object({ name: text, port: z.int().nullish(), protocol: text })),
  endpoints: list(
    z.object({
      addresses: list(z.string()),
      conditions: z.object({ ready: flag, serving: flag, terminating: flag }).nullish(),
      targetRef: z.object({ kind: text, namespace: text, name: text }).nullish(),
      nodeName: text,
    }),
  ),
});

/** Reads `v1` `Service`. */
export function decodeService(value: unknown): Decoded<Service> {
  const result = serviceSchema.safeParse(value);
  if (!result.success) return { ok: false, issues: issuesOf(result.error) };
  const { metadata, spec, status } = result.data;
  const createdAt = Date.parse(metadata.creationTimestamp ?? '');
  return {
    ok: true,
    value: {
      kind: 'Service',
      ...identityOf(metadata),
      type: spec?.type ?? 'ClusterIP',
      ...(Number.isNaN(createdAt) ? {} : { createdAt }),
      ...given('clusterIP', spec?.clusterIP),
      externalIPs: spec?.externalIPs ?? [],
      ingress: (status?.loadBalancer?.ingress ?? []).map(({ ip, ipMode }) => ({
        ...given('ip', ip),
        ...given('ipMode', ipMode),
      })),
      ports: (spec?.ports ?? []).map(
        ({ name, port, protocol, nodePort }): ServicePort => ({
          name: name ?? '',
          port,
          protocol: protocol ?? 'TCP',
          // The server's own way to say none.
          ...given('nodePort', nodePort === 0 ? undefined : nodePort),
        }),
      ),
      publishNotReadyAddresses: spec?.publishNotReadyAddresses ?? false,
      sessionAffinity: spec?.sessionAffinity ?? 'None',
      ...given('affinitySeconds', spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds),
      externalTrafficPolicy: spec?.externalTrafficPolicy ?? 'Cluster',
      ...given('loadBalancerClass', spec?.loadBalancerClass),
      loadBalancerSourceRanges: spec?.loadBalancerSourceRanges ?? [],
      ...given('loadBalancerIP', spec?.loadBalancerIP),
      ...given('ipFamilies', spec?.ipFamilies),
      ...given('ipFamilyPolicy', spec?.ipFamilyPolicy),
      ...given('conditions', conditionsOf(status?.conditions ?? [])),
      ...given('uid', metadata.uid),
      ...given('version', metadata.resourceVersion),
      ...(metadata.deletionTimestamp ? { deleting: true as const } : {}),
    },
  };
}

function conditionsOf(
  conditions: ReadonlyArray<{ readonly [K in keyof ServiceCondition]?: string | null | undefined }>,
): ServiceCondition[] | undefined {
  const ours = conditions.filter(({ type }) => type?.startsWith(OUR_CONDITIONS));
  if (ours.length === 0) return undefined;
  return ours.map(({ type, status, reason, message, lastTransitionTime }) => ({
    type: type ?? '',
    status: status ?? '',
    reason: reason ?? '',
    message: message ?? '',
    lastTransitionTime: lastTransitionTime ?? '',
  }));
}

/** Reads `discovery.k8s.io/v1` `EndpointSlice`. */
export function decodeEndpointSlice(value: unknown): Decoded<EndpointSlice> {
  const result = sliceSchema.safeParse(value);
  if (!result.success) return { ok: false, issues: issuesOf(result.error) };
  const { metadata, addressType, ports, endpoints } = result.data;
  const identity = identityOf(metadata);
  return {
    ok: true,
    value: {
      kind: 'EndpointSlice',
      ...identity,
      ...given('service', metadata.labels?.[SERVICE_NAME_LABEL]),
      addressType,
      ports: (ports ?? []).map(
        ({ name, port, protocol }): EndpointPort => ({
          name: name ?? '',
          ...given('port', port),
          protocol: protocol ?? 'TCP',
        }),
      ),
      endpoints: (endpoints ?? []).map(({ addresses, conditions, targetRef, nodeName }): Endpoint => {
        const ready = conditions?.ready ?? true;
        const pod =
          targetRef?.kind === 'Pod' && targetRef.name
            ? `${targetRef.namespace ?? identity.namespace}/${targetRef.name}`
            : undefined;
        return {
          addresses: addresses ?? [],
          ready,
          serving: conditions?.serving ?? ready,
          terminating: conditions?.terminating ?? false,
          ...given('target', pod),
          ...given('node', nodeName),
        };
      }),
    },
  };
}

function identityOf({ name, namespace, annotations }: z.output<typeof metadata>) {
  const used = Object.entries(annotations ?? {}).filter(([key]) =>
    USED_ANNOTATIONS.some((prefix) => key.startsWith(prefix)),
  );
  return { namespace: namespace ?? DEFAULT_NAMESPACE, name, annotations: Object.fromEntries(used) };
}
