/** What is said on a Service by Events: problems of serving it, and of its addresses. Pure. */
import { formatAddress } from '../net/address.ts';
import type { Problem } from '../services/desired-state.ts';
import type { Service } from '../sources/kube-objects.ts';
import type { Assignment } from './allocate.ts';
import type { Notice } from './event-book.ts';
import { keyOf } from './wishes.ts';

/** Addresses that are another load balancer's business are no news to the Service's owner. */
const NOT_SAID: ReadonlySet<string> = new Set(['address-outside-ranges', 'load-balancer-class']);

export function noticesOfProblems(problems: readonly Problem[], services: readonly Service[]): Notice[] {
  const about = problems.filter(({ object, code }) => object?.kind === 'Service' && !NOT_SAID.has(code));
  if (about.length === 0) return [];
  const wanted = new Set(about.map(({ object }) => object && keyOf(object)));
  const known = new Map(
    services.filter((each) => wanted.has(keyOf(each))).map((each) => [keyOf(each), each]),
  );
  return about.flatMap(({ object, code, message }) => {
    const service = object && known.get(keyOf(object));
    return service === undefined
      ? []
      : [{ service, type: 'Warning' as const, reason: reasonOf(code), message }];
  });
}

export function noticesOfAssignments(assignments: readonly Assignment[]): Notice[] {
  return assignments.flatMap(({ service, reason, message, satisfied }): Notice[] =>
    satisfied && reason === 'Allocated' ? [] : [{ service, type: 'Warning', reason, message }],
  );
}

/** What the Service's owner should know was done; undefined if the addresses are what they were. */
export function noticeOfChange({ service, addresses }: Assignment): Notice | undefined {
  const before = service.ingress.map(({ ip }) => ip ?? '').join(', ');
  const now = addresses.map(formatAddress).join(', ');
  if (before === now) return undefined;
  const was = before === '' ? '' : ` in place of ${before}`;
  const message = now === '' ? `${before} released` : `${now} assigned${was}`;
  return { service, type: 'Normal', reason: now === '' ? 'AddressReleased' : 'AddressAssigned', message };
}

/** `unsupported-protocol`: `UnsupportedProtocol` */
function reasonOf(code: string): string {
  return code.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
