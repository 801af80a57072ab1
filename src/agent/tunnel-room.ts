/** Whether outer headers find room on the way to the backends: what does not fit, clients are asked to send smaller. */
import type { Link } from '../node/ip.ts';
import type { Neighbour } from '../node/managed-neighbours.ts';
import { type DesiredService, isTunnel, type Problem, type ServiceMode } from '../services/desired-state.ts';

/** Bytes of IP packet that most clients send at the most: those of Ethernet. */
const CLIENT_MTU = 1500;
/** What every way must take of IPv6 (RFC 8200, section 5). */
const LEAST_MTU_V6 = 1280;

/** Services as far as the room of their tunnels goes. */
export type TunnelUser = Pick<DesiredService, 'mode'> & {
  readonly backends: ReadonlyArray<{ readonly address: string }>;
};

/** Bytes that a mode puts before a packet on its way to this address. */
function outerSize(mode: ServiceMode, backend: string): number {
  const ip = backend.includes(':') ? 40 : 20;
  return mode === 'gue' ? ip + 12 : ip;
}

/** By backend, the largest outer header that any of the services needs. */
function* outerSizes(services: readonly TunnelUser[]): Generator<void, Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const { mode, backends } of services) {
    yield;
    if (!isTunnel(mode)) continue;
    for (const { address } of backends) {
      sizes.set(address, Math.max(sizes.get(address) ?? 0, outerSize(mode, address)));
    }
  }
  return sizes;
}

/**
 * Pure: one problem for each device that is too narrow, with the backend that needs most. hopOf: the next hop to a
 * backend. A way that is narrower further on is not seen. May pause.
 */
export function* judgeTunnelRoom(
  services: readonly TunnelUser[],
  hopOf: (address: string) => Pick<Neighbour, 'device'> | undefined,
  links: readonly Pick<Link, 'name' | 'mtu'>[],
): Generator<void, Problem[]> {
  const worst = new Map<string, { backend: string; size: number }>();
  for (const [backend, size] of yield* outerSizes(services)) {
    const device = hopOf(backend)?.device;
    if (device !== undefined && size > (worst.get(device)?.size ?? 0)) worst.set(device, { backend, size });
  }
  return links.flatMap(({ name, mtu }) => {
    const need = worst.get(name);
    if (need === undefined || mtu >= CLIENT_MTU + need.size) return [];
    const left = mtu - need.size;
    const effect =
      left < LEAST_MTU_V6
        ? `IPv6 clients cannot be told to send less than ${LEAST_MTU_V6}, so what they send goes in fragments, which ` +
          'pods never get, or not at all'
        : `clients that send ${CLIENT_MTU} are told to send less, and not all do`;
    const message =
      `${name} has an MTU of ${mtu}, which with the outer header of ${need.size} bytes towards ${need.backend} leaves ` +
      `${left}: ${effect}; raise the MTU of ` +
      `${name}, and of all that is between it and the backends, to ${CLIENT_MTU + need.size} or more`;
    return [{ severity: left < LEAST_MTU_V6 ? 'error' : 'warning', code: 'mtu-too-small', message }];
  });
}
