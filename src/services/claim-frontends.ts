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
 * Who claims which frontend. Of claims to one the oldest Service's wins, then the first by namespace and
 * name. A Service without creationTimestamp counts as youngest: in a cluster every Service has one.
 */
export class FrontendClaims {
  /** The owner's first. */
  readonly #claims = new Map<string, readonly Claim[]>();

  /** Services other than these that have to be looked at again, because they claim one of the frontends too. */
  replace(before: readonly Claim[], after: readonly Claim[]): Set<Service> {
    const touched = new Set<string>();
    for (const claim of before) {
      const key = formatFrontend(frontendOf(claim));
      const left = (this.#claims.get(key) ?? []).filter((other) => other !== claim);
      if (left.length === 0) this.#claims.delete(key);
      else this.#claims.set(key, left);
      touched.add(key);
    }
    for (const claim of after) {
      const key = formatFrontend(frontendOf(claim));
      const all = [...(this.#claims.get(key) ?? []), claim];
      this.#claims.set(key, all.length === 1 ? all : all.sort((a, b) => compareAge(a.service, b.service)));
      touched.add(key);
    }
    const own = after[0]?.service;
    const services = new Set<Service>();
    for (const key of touched) {
      for (const { service } of this.#claims.get(key) ?? []) if (service !== own) services.add(service);
    }
    return services;
  }

  /** The claim that has the frontend. */
  ownerOf(claim: Claim): Claim {
    return this.#claims.get(formatFrontend(frontendOf(claim)))?.[0] ?? claim;
  }
}

/** Older first, then by namespace and name. */
export function compareAge(a: Service, b: Service): number {
  const [bornA, bornB] = [a.createdAt ?? Number.POSITIVE_INFINITY, b.createdAt ?? Number.POSITIVE_INFINITY];
  if (bornA !== bornB) return bornA < bornB ? -1 : 1;
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
