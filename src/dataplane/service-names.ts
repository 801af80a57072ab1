/**
 * What the maps do not hold and people want to see: names, weights, reasons, and what ages mean. The agent
 * keeps it as names.json in its runtime directory, so that lbctl can name things without the agent.
 */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { formatAddress } from '../net/address.ts';
import { withPort } from '../net/with-port.ts';
import type { DesiredBackend, DesiredService } from '../services/desired-state.ts';
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

/** What flows and services are called, and what their ages mean. */
export interface ServiceNames {
  /** Jiffies a second. */
  readonly hz: number;
  /** Jiffies by enum flow_state. */
  readonly timeouts: readonly number[];
  /** SNAT addresses in the order of their numbers: rows of addresses. */
  readonly snat: ReadonlyArray<{ readonly first: string; readonly count: number }>;
  /** Of `10.1.0.2:53/UDP`, `[2001:db8::2]:53/UDP`. */
  frontend(name: string): FrontendNames | undefined;
}

/** The file: everything but the frontends, by name, which may be many. */
export interface StoredNames extends Omit<ServiceNames, 'frontend'> {
  readonly version: 2;
  readonly frontends: Readonly<Record<string, FrontendNames>>;
}

export type NamesHeader = Omit<StoredNames, 'frontends'>;

export function namesHeader(config: Pick<Config, 'snat' | 'timeouts'>, hz: number): NamesHeader {
  return {
    version: 2,
    hz,
    timeouts: timeoutsInJiffies(config.timeouts, hz),
    snat: config.snat.ranges.map(({ first, count }) => ({ first: formatAddress(first), count })),
  };
}

/** `services` by frontend; each is looked into when it is asked for. */
export function namesOf(
  services: ReadonlyMap<string, DesiredService>,
  config: Pick<Config, 'snat' | 'timeouts'>,
  hz: number,
): ServiceNames {
  return {
    ...namesHeader(config, hz),
    frontend(name) {
      const service = services.get(name);
      return service === undefined ? undefined : frontendNames(service);
    },
  };
}

export function nameOfFrontend({ frontend: { vip, port, protocol } }: DesiredService): string {
  return `${withPort(vip, port)}/${protocol}`;
}

export function frontendNames(service: DesiredService): FrontendNames {
  const { namespace, name, portName, type, backends } = service;
  let names: FrontendNames['backends'] | undefined;
  return {
    namespace,
    name,
    ...(portName === undefined ? {} : { portName }),
    type,
    // Many only ask for the name of the service.
    get backends() {
      names ??= Object.fromEntries(
        backends.filter(hasNames).map((backend) => [nameOfBackend(backend), backendNames(backend)]),
      );
      return names;
    },
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
    const { frontends, ...header } = JSON.parse(readFileSync(path, 'utf8')) as Partial<StoredNames>;
    if (header.version !== 2 || frontends === undefined) return undefined;
    return {
      ...(header as NamesHeader),
      frontend: (name) => (Object.hasOwn(frontends, name) ? frontends[name] : undefined),
    };
  } catch {
    return undefined;
  }
}

/** When nothing is stored: ages are shown, but no flow is taken for expired. */
export function unknownNames(hz: number): ServiceNames {
  return { hz, timeouts: [], snat: [], frontend: () => undefined };
}
