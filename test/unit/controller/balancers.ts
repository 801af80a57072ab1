/** Services of type LoadBalancer and pools, in few words. */
import type { AddressPool } from '../../../src/config/config.ts';
import { type Allocation, type AllocationInput, allocate } from '../../../src/controller/allocate.ts';
import { statusPatch } from '../../../src/controller/service-status.ts';
import { formatAddress, parseAddress } from '../../../src/net/address.ts';
import type { Prefix } from '../../../src/net/prefix.ts';
import { parsePrefix } from '../../../src/net/prefix.ts';
import type { Service } from '../../../src/sources/kube-objects.ts';
import { service } from '../services/objects.ts';

export const RANGES: readonly Prefix[] = ['10.1.0.0/24', '10.9.0.0/24', '2001:db8:1::/64'].map(
  (text) => parsePrefix(text) as Prefix,
);

/** `10.1.0.16-10.1.0.18` or one address each. */
export function pool(name: string, spans: readonly string[], automatic = true): AddressPool {
  const addresses = spans.map((text) => {
    const [first, last = first] = text.split('-').map((part) => parseAddress(part));
    if (first === undefined || last === undefined) throw new Error(text);
    return { first, last };
  });
  return { name, addresses, automatic };
}

/** Of our class, made at `age` seconds; ingress as recorded. */
export function balancer(
  name: string,
  age: number,
  changes: Partial<Omit<Service, 'ingress'>> & { readonly has?: readonly string[] } = {},
): Service {
  const { has = [], ...rest } = changes;
  return service({
    name,
    uid: `uid-${name}`,
    version: '1',
    createdAt: age * 1_000,
    type: 'LoadBalancer',
    loadBalancerClass: 'l4lb.io/lb',
    externalIPs: [],
    ipFamilies: ['IPv4'],
    ingress: has.map((ip) => ({ ip, ipMode: 'VIP' })),
    ...rest,
  });
}

export function allocated(
  services: readonly Service[],
  pools: readonly AddressPool[],
  more: Partial<AllocationInput> = {},
): Allocation {
  return allocate({ services, pools, ranges: RANGES, withoutClass: false, ...more });
}

/** `web 10.1.0.16 Allocated`, by name. */
export function told({ assignments }: Allocation): string[] {
  return assignments.map(({ service: { name }, addresses, reason }) =>
    [name, ...addresses.map(formatAddress), reason].join(' '),
  );
}

/** The Services as they are once all is written. */
export function written(services: readonly Service[], { assignments, releases }: Allocation): Service[] {
  const patches = new Map(
    assignments.map((each) => [each.service, statusPatch(each, '2026-01-01T00:00:00Z')] as const),
  );
  return services.map((each) => {
    if (releases.includes(each)) {
      const { conditions: _, ...rest } = each;
      return { ...rest, ingress: [] };
    }
    const patch = patches.get(each);
    if (patch === undefined) return each;
    return {
      ...each,
      ingress: patch.status.loadBalancer?.ingress ?? [],
      conditions: patch.status.conditions ?? [],
    };
  });
}
