/** A random desired state: services come and go, backends too, some drain. */
import {
  type DesiredBackend,
  type DesiredService,
  isTunnel,
  type Protocol,
  type ServiceMode,
} from '../../src/services/desired-state.ts';
import { mirror, mirrorText } from '../packet/network.ts';
import { OTHER_VIP, service, sorted, VIP } from '../packet/situation.ts';
import type { Random } from './random.ts';
import type { Variant } from './variants.ts';

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

/** On the device packets come in by, on another one, tagged, without neighbour, blackholed, not ours, behind a gateway. */
const NETWORKS: ReadonlyArray<readonly [weight: number, network: string]> = [
  [12, '10.2.0'],
  [4, '10.2.1'],
  [4, '10.2.2'],
  [1, '10.2.3'],
  [1, '10.2.4'],
  [1, '10.2.5'],
  [1, '10.2.6'],
];

export function randomServices(random: Random, modes: Variant['modes']): DesiredService[] {
  const both = FRONTENDS.flatMap((frontend) => [
    { frontend, isV6: false },
    { frontend, isV6: true },
  ]);
  return both
    .filter(() => random.chance(0.9))
    .map(({ frontend: [vip, port, protocol, target], isV6 }) => {
      const mode = random.weighted(modes);
      // Only an outer header can take a packet to a backend of the other family.
      const isOther = isTunnel(mode) && random.chance(0.3);
      const backends = randomBackends(random, target, isV6 !== isOther);
      return {
        ...service(isV6 ? mirror(vip) : vip, port, protocol, backends),
        ...randomPolicy(random, isV6, mode),
      };
    });
}

/** The same services; of some of them a backend comes, goes, drains, or takes connections again. */
export function nudgedServices(random: Random, services: readonly DesiredService[]): DesiredService[] {
  return services.map((each) => {
    if (!random.chance(0.4)) return each;
    const { backends } = each;
    const tableSize = random.chance(0.04) ? random.pick([251, 1021]) : each.tableSize;
    if (backends.length === 0 || random.chance(0.35)) {
      const isV6 = (backends[0]?.address ?? each.frontend.vip).includes(':');
      const [added] = randomBackends(random, backends[0]?.port ?? 8080, isV6);
      const isNew = added !== undefined && !backends.some(({ address }) => address === added.address);
      return { ...each, tableSize, backends: isNew ? sorted([...backends, added]) : backends };
    }
    const at = random.below(backends.length);
    if (random.chance(0.3)) return { ...each, tableSize, backends: backends.filter((_, i) => i !== at) };
    return { ...each, tableSize, backends: backends.map((one, i) => (i === at ? turned(one) : one)) };
  });
}

const turned = (backend: DesiredBackend): DesiredBackend =>
  backend.state === 'active'
    ? { ...backend, state: 'draining', weight: 0 }
    : { ...backend, state: 'active', weight: 1 };

/** Now and then: some clients only, the client's address or no ports in the hash. */
function randomPolicy(random: Random, isV6: boolean, mode: ServiceMode): Partial<DesiredService> {
  const range = isV6 ? `${mirrorText('198.51.100.0')}/64` : '198.51.100.0/24';
  return {
    mode,
    // Only what is remembered of exceptions needs a window.
    ...(mode === 'snat' ? {} : { window: { tcp: 900_000, udp: 40_000 } }),
    ...(random.chance(mode === 'snat' ? 0 : 0.15) ? { affinity: { timeout: 10_800_000 } } : {}),
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
