/** Desired states for the bench: so many services, each with so many of the backends there are. */

import { formatIpv4 } from '../../src/net/ipv4.ts';
import type {
  DesiredBackend,
  DesiredService,
  DesiredState,
  ServiceMode,
} from '../../src/services/desired-state.ts';

/** Of both families; IPv6 VIPs have the IPv4 ones' words at their end. */
export const VIP_RANGES = ['10.1.0.0/20', 'fd00:1::/64'] as const;
const VIP_NETWORK = 0x0a010000;
const VIP_PREFIX6 = 'fd00:1::';
export const BACKEND_PREFIX6 = 'fd00:3::';

export interface FrontendAddress {
  readonly address: number;
  readonly port: number;
}

/** What all services of a bed have in common. */
export interface ServiceKind {
  readonly mode: ServiceMode;
  readonly family: 4 | 6;
  readonly protocol: 'TCP' | 'UDP';
}
export const SNAT: ServiceKind = { mode: 'snat', family: 4, protocol: 'TCP' };

/** An address whose last 32 bits are `word`, of which IPv6 has some before it. */
export function addressOf(family: 4 | 6, prefix6: string, word: number): string {
  if (family === 4) return formatIpv4(word);
  return `${prefix6}${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
}

/** Service n has a VIP of its own, 10.1.0.2 and on. */
export function frontendOf(n: number): FrontendAddress {
  return { address: VIP_NETWORK + 2 + n, port: 80 };
}

/** Backends are hosts 1..hosts of the network; service n uses ports 8000 + n, so that all of them differ. */
function backendsOf(
  n: number,
  count: number,
  network: number,
  hosts: number,
  family: 4 | 6,
): DesiredBackend[] {
  return Array.from({ length: count }, (_, b) => network + 1 + ((n * count + b) % hosts))
    .sort((x, y) => x - y)
    .map((word) => ({
      address: addressOf(family, BACKEND_PREFIX6, word),
      port: 8000 + n,
      weight: 1,
      state: 'active' as const,
    }));
}

export function desiredServices(
  services: number,
  backendsEach: number,
  tableSize: number,
  network: number,
  hosts: number,
  { mode, family, protocol }: ServiceKind = SNAT,
): DesiredState {
  const list = Array.from({ length: services }, (_, n): DesiredService => {
    const { address, port } = frontendOf(n);
    return {
      frontend: { vip: addressOf(family, VIP_PREFIX6, address), port, protocol },
      namespace: 'bench',
      name: `service-${n}`,
      type: 'LoadBalancer',
      mode,
      tableSize,
      backends: backendsOf(n, backendsEach, network, hosts, family),
    };
  });
  return { services: list, problems: [] };
}

/** The same state with one backend of one service gone. */
export function withoutBackend(state: DesiredState, service: number): DesiredState {
  return {
    ...state,
    services: state.services.map((each, n) =>
      n === service ? { ...each, backends: each.backends.slice(1) } : each,
    ),
  };
}
