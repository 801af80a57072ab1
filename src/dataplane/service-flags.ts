/** The word service.flags: how packets travel to the backends, and what the hash is of. */
import { serviceFlag, serviceMode } from '../layout/generated.ts';
import { type DesiredService, SERVICE_MODES, type ServiceMode } from '../services/desired-state.ts';

const MODE_NUMBERS: Readonly<Record<ServiceMode, number>> = {
  snat: serviceMode.MODE_SNAT,
  ipip: serviceMode.MODE_IPIP,
  gue: serviceMode.MODE_GUE,
  l2: serviceMode.MODE_L2,
};

export function modeNumber(mode: ServiceMode): number {
  return MODE_NUMBERS[mode];
}

export function modeOfFlags(flags: number): ServiceMode {
  const number = flags & serviceFlag.SERVICE_F_MODE;
  return SERVICE_MODES.find((mode) => MODE_NUMBERS[mode] === number) ?? 'snat';
}

export function serviceFlags({ mode, affinity, hash3, sourceRanges }: DesiredService): number {
  return (
    modeNumber(mode) |
    (affinity === undefined ? 0 : serviceFlag.SERVICE_F_AFFINITY) |
    (sourceRanges === undefined ? 0 : serviceFlag.SERVICE_F_SOURCES) |
    (hash3 === true ? serviceFlag.SERVICE_F_HASH3 : 0)
  );
}

/** In these modes nothing but the hash, and memory of exceptions, keeps a flow with its backend. */
export function isDsr(flags: number): boolean {
  return (flags & serviceFlag.SERVICE_F_MODE) !== serviceMode.MODE_SNAT;
}
