/** Annotations of Services that mean something, and those that only look as if they did. */
import { nearestKey } from '../config/nearest-key.ts';
import type { Service } from '../sources/kube-objects.ts';
import { BACKENDS_ANNOTATION } from './backend-kind.ts';
import { type Report, shown } from './report.ts';
import { HASH_ANNOTATION, MODE_ANNOTATION, UDP_WINDOW_ANNOTATION } from './service-policy.ts';
import { SLOTS_ANNOTATION } from './table-size.ts';

const PREFIX = 'l4lb.io/';

/** What is asked of the controller, which gives addresses. */
export const POOL_ANNOTATION = 'l4lb.io/pool';
export const REQUESTED_ANNOTATION = 'l4lb.io/addresses';
export const SHARING_ANNOTATION = 'l4lb.io/allow-shared-ip';

const KNOWN = [
  MODE_ANNOTATION,
  BACKENDS_ANNOTATION,
  HASH_ANNOTATION,
  SLOTS_ANNOTATION,
  UDP_WINDOW_ANNOTATION,
  POOL_ANNOTATION,
  REQUESTED_ANNOTATION,
  SHARING_ANNOTATION,
];

const NAMES = KNOWN.map((key) => key.slice(PREFIX.length));

/** Of a key; what is longer is near to none of ours. */
const LONGEST = 64;

/** A slip of the pen would otherwise be as silent as no annotation. */
export function reportUnknownAnnotations(service: Service, report: Report): void {
  for (const key of Object.keys(service.annotations)) {
    if (!key.startsWith(PREFIX) || KNOWN.includes(key)) continue;
    const near = nearestKey(key.slice(PREFIX.length, LONGEST), NAMES);
    const hint = near === undefined ? '' : `did you mean ${PREFIX}${near}? `;
    const message = `${shown(key)} is no annotation of a Service that is known here; ${hint}Known are ${KNOWN.join(', ')}`;
    report('warning', 'unknown-annotation', message, `metadata.annotations.${key}`);
  }
}
