/** Desired states for the bench: so many services, each with so many of the backends there are. */

import { formatIpv4 } from '../../src/net/ipv4.ts';
import type { DesiredBackend, DesiredService, DesiredState } from '../../src/services/desired-state.ts';

export const VIP_RANGE = '10.1.0.0/20';
const VIP_NETWORK = 0x0a010000;

export interface FrontendAddress {
  readonly address: number;
  readonly port: number;
}

/** Service n has a VIP of its own, 10.1.0.2 and on. */
export function frontendOf(n: number): FrontendAddress {
  return { address: VIP_NETWORK + 2 + n, port: 80 };
}

/** Backends are hosts 1..hosts of the network; service n uses ports 8000 + n, so that all of them differ. */
function backendsOf(n: number, count: number, network: number, hosts: number): DesiredBackend[] {
  return Array.from({ length: count }, (_, b) => ({
    address: formatIpv4(network + 1 + ((n * count + b) % hosts)),
    port: 8000 + n,
    weight: 1,
    state: 'active' as const,
  })).sort((x, y) => ordinal(x.address) - ordinal(y.address));
}

function ordinal(address: string): number {
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

export function desiredServices(
  services: number,
  backendsEach: number,
  tableSize: number,
  network: number,
  hosts: number,
): DesiredState {
  const list = Array.from({ length: services }, (_, n): DesiredService => {
    const { address, port } = frontendOf(n);
    return {
      frontend: { vip: formatIpv4(address), port, protocol: 'TCP' },
      namespace: 'bench',
      name: `service-${n}`,
      type: 'LoadBalancer',
      mode: 'snat',
      tableSize,
      backends: backendsOf(n, backendsEach, network, hosts),
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
