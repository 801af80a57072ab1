/** One frontend, one owner. */
import { withPort } from '../net/with-port.ts';
import type { Service } from '../sources/kube-objects.ts';
import type { Frontend } from './desired-state.ts';
import type { ServiceAddress } from './service-addresses.ts';
import type { ServedPort } from './service-ports.ts';

export interface Claim {
  readonly service: Service;
  readonly address: ServiceAddress;
  readonly port: ServedPort;
}

export function frontendOf({ address, port }: Claim): Frontend {
  return { vip: address.vip, port: port.port, protocol: port.protocol };
}

export function formatFrontend({ vip, port, protocol }: Frontend): string {
  return `${withPort(vip, port)}/${protocol}`;
}

/**
 * Of claims to one frontend the oldest Service's wins, then the first by namespace and name. A Service
 * without creationTimestamp counts as youngest: in a cluster every Service has one.
 */
export function settleClaims(claims: readonly Claim[]): {
  won: Claim[];
  lost: Array<{ claim: Claim; to: Claim }>;
} {
  const won = new Map<string, Claim>();
  const lost: Array<{ claim: Claim; to: Claim }> = [];
  for (const claim of [...claims].sort((a, b) => compareAge(a.service, b.service))) {
    const key = formatFrontend(frontendOf(claim));
    const owner = won.get(key);
    if (owner === undefined) won.set(key, claim);
    else lost.push({ claim, to: owner });
  }
  return { won: [...won.values()], lost };
}

function compareAge(a: Service, b: Service): number {
  const [bornA, bornB] = [a.createdAt ?? Number.POSITIVE_INFINITY, b.createdAt ?? Number.POSITIVE_INFINITY];
  if (bornA !== bornB) return bornA < bornB ? -1 : 1;
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
