/** A random desired state: services come and go, backends too, some drain. */
import type { DesiredBackend, DesiredService, Protocol } from '../../src/services/desired-state.ts';
import { mirror, mirrorText } from '../packet/network.ts';
import { OTHER_VIP, service, VIP } from '../packet/situation.ts';
import type { Random } from './random.ts';

const FRONTENDS: ReadonlyArray<readonly [vip: number, port: number, protocol: Protocol, target: number]> = [
  [VIP, 80, 'TCP', 8080],
  // The same backends in another service, on purpose.
  [VIP, 81, 'TCP', 8080],
  [VIP, 53, 'UDP', 5353],
  [VIP, 53, 'TCP', 5353],
  [OTHER_VIP, 443, 'TCP', 8443],
  [OTHER_VIP, 80, 'TCP', 8080],
  [OTHER_VIP, 53, 'UDP', 5353],
];

/** On the device packets come in by, on another one, tagged, without neighbour, blackholed, not ours. */
const NETWORKS: ReadonlyArray<readonly [weight: number, network: string]> = [
  [12, '10.2.0'],
  [4, '10.2.1'],
  [4, '10.2.2'],
  [1, '10.2.3'],
  [1, '10.2.4'],
  [1, '10.2.5'],
];

export function randomServices(random: Random): DesiredService[] {
  const both = FRONTENDS.flatMap((frontend) => [
    { frontend, isV6: false },
    { frontend, isV6: true },
  ]);
  return both
    .filter(() => random.chance(0.9))
    .map(({ frontend: [vip, port, protocol, target], isV6 }) => ({
      ...service(isV6 ? mirror(vip) : vip, port, protocol, randomBackends(random, target, isV6)),
      ...randomPolicy(random, isV6),
    }));
}

/** Now and then: some clients only, the client's address or no ports in the hash. */
function randomPolicy(random: Random, isV6: boolean): Partial<DesiredService> {
  const range = isV6 ? `${mirrorText('198.51.100.0')}/64` : '198.51.100.0/24';
  return {
    ...(random.chance(0.1) ? { sourceRanges: [range] } : {}),
    ...(random.chance(0.1) ? { affinity: { timeout: 10_800_000 } } : {}),
    ...(random.chance(0.1) ? { hash3: true } : {}),
  };
}

function randomBackends(random: Random, port: number, isV6: boolean): DesiredBackend[] {
  const count = random.chance(0.1) ? 0 : 1 + random.below(4);
  const addresses = new Set(
    Array.from({ length: count }, () => `${random.weighted(NETWORKS)}.${1 + random.below(3)}`),
  );
  return [...addresses].map((v4) => {
    const address = isV6 ? mirrorText(v4) : v4;
    const isDraining = random.chance(0.15);
    return {
      address,
      port,
      weight: isDraining ? 0 : 1,
      state: isDraining ? 'draining' : 'active',
    } as const;
  });
}
