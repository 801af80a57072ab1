/** What a Service asks for beside addresses and ports, and whether we can do it. */
import type { Service } from '../sources/kube-objects.ts';
import type { Report } from './report.ts';

const SOURCE_RANGES_ANNOTATION = 'service.beta.kubernetes.io/load-balancer-source-ranges';

/** The Service cannot be a service of ours by its nature: it claims no frontend. */
export function canHaveFrontends(service: Service, report: Report): boolean {
  if (service.type === 'ExternalName') {
    const message = 'a Service of type ExternalName is a DNS name and has no endpoints; it cannot have a VIP';
    report('error', 'external-name', message, 'spec.type');
    return false;
  }
  if (service.clusterIP === 'None') {
    const message =
      'a headless Service (clusterIP: None) is not load-balanced; remove clusterIP to give it a VIP';
    report('error', 'headless', message, 'spec.clusterIP');
    return false;
  }
  return true;
}

/**
 * False: the Service must not be served, because serving it would open what it closes. Features whose
 * lack only makes it less than it asks for are warnings.
 */
export function mayBeServed(service: Service, report: Report): boolean {
  if (service.sessionAffinity === 'ClientIP') {
    const message = 'sessionAffinity ClientIP is not supported yet; connections of one client are spread';
    report('warning', 'session-affinity', message, 'spec.sessionAffinity');
  }
  if (service.externalTrafficPolicy === 'Local') {
    const message =
      'externalTrafficPolicy Local is not supported yet; all endpoints are used and see a SNAT address as client';
    report('warning', 'external-traffic-policy', message, 'spec.externalTrafficPolicy');
  }
  const restricted = restrictingField(service);
  if (restricted === undefined) return true;
  const message =
    'loadBalancerSourceRanges is not supported yet. The service is not served, because without the check it would be open to everybody; remove the ranges to serve it so';
  report('error', 'source-ranges', message, restricted);
  return false;
}

/** The field that says who may come, unless that is everybody. */
function restrictingField(service: Service): string | undefined {
  const ranges = service.loadBalancerSourceRanges;
  if (ranges.length > 0) return ranges.includes('0.0.0.0/0') ? undefined : 'spec.loadBalancerSourceRanges';
  // The older way to say it, which Kubernetes still obeys when the field is empty.
  const annotation = service.annotations[SOURCE_RANGES_ANNOTATION]?.trim() ?? '';
  const listed = annotation.split(',').map((range) => range.trim());
  if (annotation === '' || listed.includes('0.0.0.0/0')) return undefined;
  return `metadata.annotations.${SOURCE_RANGES_ANNOTATION}`;
}
