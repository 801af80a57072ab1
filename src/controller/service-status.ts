/** What is written to the status of a Service. Pure. */
import { formatAddress } from '../net/address.ts';
import type { LoadBalancerIngress, Service, ServiceCondition } from '../sources/kube-objects.ts';
import type { Assignment } from './allocate.ts';
import { ALLOCATED_CONDITION } from './wishes.ts';

/** For server-side apply: all that is ours, and nothing else. */
export interface StatusPatch {
  readonly apiVersion: 'v1';
  readonly kind: 'Service';
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    /** Of the object that was decided on: another one is a conflict. */
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
  readonly status: {
    readonly loadBalancer?: { readonly ingress: readonly LoadBalancerIngress[] };
    readonly conditions?: readonly ServiceCondition[];
  };
}

/** What we own, gone. */
export function releasePatch(service: Service): StatusPatch {
  return { ...identityOf(service), status: {} };
}

/** Undefined: the Service has it so. `time`: now, RFC 3339 in whole seconds. */
export function statusPatch(assignment: Assignment, time: string): StatusPatch | undefined {
  const { service, addresses, satisfied, reason, message } = assignment;
  // VIP: nodes of the cluster may short-cut to the pods, as packets reach these with any destination we choose.
  const ingress = addresses.map((address) => ({ ip: formatAddress(address), ipMode: 'VIP' }));
  const before = service.conditions?.find(({ type }) => type === ALLOCATED_CONDITION);
  const status = satisfied ? 'True' : 'False';
  const same =
    JSON.stringify(service.ingress) === JSON.stringify(ingress) &&
    before?.status === status &&
    before.reason === reason &&
    before.message === message;
  if (same) return undefined;
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : time;
  return {
    ...identityOf(service),
    status: {
      // An empty list takes away what somebody else has written.
      ...(ingress.length > 0 || service.ingress.length > 0 ? { loadBalancer: { ingress } } : {}),
      conditions: [{ type: ALLOCATED_CONDITION, status, reason, message, lastTransitionTime }],
    },
  };
}

function identityOf({ namespace, name, uid, version }: Service): Omit<StatusPatch, 'status'> {
  const precondition = {
    ...(uid === undefined ? {} : { uid }),
    ...(version === undefined ? {} : { resourceVersion: version }),
  };
  return { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name, ...precondition } };
}
