/**
 * What the maps do not hold and people want to see: names, weights, reasons, and what ages mean. The agent
 * keeps it as names.json in its runtime directory, so that lbctl can name things without the agent.
 */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { formatAddress } from '../net/address.ts';
import { withPort } from '../net/with-port.ts';
import type { DesiredBackend, DesiredService, DesiredState } from '../services/desired-state.ts';
import { timeoutsInJiffies } from './program-config.ts';

export interface BackendNames {
  readonly weight: number;
  readonly reason?: string;
  readonly target?: string;
  readonly node?: string;
}

export interface FrontendNames {
  readonly namespace: string;
  readonly name: string;
  readonly portName?: string;
  readonly type: DesiredService['type'];
  /** By {@link nameOfBackend}; a backend that is not here has weight 1 and nothing to say. */
  readonly backends: Readonly<Record<string, BackendNames>>;
}

export interface ServiceNames {
  readonly version: 2;
  /** Jiffies a second. */
  readonly hz: number;
  /** Jiffies by enum flow_state. */
  readonly timeouts: readonly number[];
  /** SNAT addresses in the order of their numbers: rows of addresses. */
  readonly snat: ReadonlyArray<{ readonly first: string; readonly count: number }>;
  /** By `10.1.0.2:53/UDP`, `[2001:db8::2]:53/UDP`. */
  readonly frontends: Readonly<Record<string, FrontendNames>>;
}

export function namesOf(
  desired: Pick<DesiredState, 'services'>,
  config: Pick<Config, 'snat' | 'timeouts'>,
  hz: number,
): ServiceNames {
  return {
    version: 2,
    hz,
    timeouts: timeoutsInJiffies(config.timeouts, hz),
    snat: config.snat.ranges.map(({ first, count }) => ({ first: formatAddress(first), count })),
    frontends: Object.fromEntries(
      desired.services.map((service) => {
        const { vip, port, protocol } = service.frontend;
        return [`${withPort(vip, port)}/${protocol}`, frontendNames(service)];
      }),
    ),
  };
}

function frontendNames(service: DesiredService): FrontendNames {
  const { namespace, name, portName, type, backends } = service;
  return {
    namespace,
    name,
    ...(portName === undefined ? {} : { portName }),
    type,
    backends: Object.fromEntries(
      backends.filter(hasNames).map((backend) => [nameOfBackend(backend), backendNames(backend)]),
    ),
  };
}

/** `10.0.0.5:8080`, `[2001:db8::5]:8080` */
export function nameOfBackend({ address, port }: Pick<DesiredBackend, 'address' | 'port'>): string {
  return withPort(address, port);
}

function hasNames({ weight, reason, target, node }: DesiredBackend): boolean {
  return weight !== 1 || reason !== undefined || target !== undefined || node !== undefined;
}

function backendNames({ weight, reason, target, node }: DesiredBackend): BackendNames {
  return {
    weight,
    ...(reason === undefined ? {} : { reason }),
    ...(target === undefined ? {} : { target }),
    ...(node === undefined ? {} : { node }),
  };
}

/** The stored names; undefined when there is no such file or it is of another version. */
export function readServiceNames(path: string): ServiceNames | undefined {
  try {
    const names = JSON.parse(readFileSync(path, 'utf8')) as Partial<ServiceNames>;
    return names.version === 2 && names.frontends !== undefined ? (names as ServiceNames) : undefined;
  } catch {
    return undefined;
  }
}

/** When nothing is stored: ages are shown, but no flow is taken for expired. */
export function unknownNames(hz: number): ServiceNames {
  return { version: 2, hz, timeouts: [], snat: [], frontends: {} };
}
