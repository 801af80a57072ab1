/** Finds services by what people type. */
import type { ServiceView } from '../api/types.ts';
import { nearestKey } from '../config/nearest-key.ts';
import { withPort } from '../net/with-port.ts';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-codes.ts';

type Selectable = Pick<ServiceView, 'id' | 'vip' | 'port' | 'frontend' | 'namespace' | 'name' | 'portName'>;

export const SELECTOR_HELP =
  'namespace/name, name, either with :port or :port-name, VIP, VIP:port, VIP:port/PROTOCOL, or ID';

/** Whether the selector means this service; a name without a namespace means all namespaces. */
export function isSelected(service: Selectable, selector: string): boolean {
  return spellings(service).some((spelling) => spelling.toLowerCase() === selector.toLowerCase());
}

/** @throws CliError with the nearest name when nothing matches. */
export function selectServices<T extends Selectable>(services: readonly T[], selector: string): T[] {
  const selected = services.filter((service) => isSelected(service, selector));
  if (selected.length > 0) return selected;
  const near = nearestKey(selector, services.flatMap(spellings));
  throw new CliError(
    EXIT.notFound,
    `There is no service ${JSON.stringify(selector)}${near === undefined ? '.' : `; did you mean ${near}?`}`,
    `A service is named by ${SELECTOR_HELP}. lbctl service list -o wide shows them.`,
  );
}

/** `namespace/name`, or `-` when only the maps are known. */
export function serviceName(service: Pick<ServiceView, 'namespace' | 'name'>): string {
  return service.name === '' ? '-' : `${service.namespace}/${service.name}`;
}

function spellings(service: Selectable): string[] {
  const addresses = [service.vip, withPort(service.vip, service.port), service.frontend, String(service.id)];
  if (service.name === '') return addresses;
  const ports = [String(service.port), ...(service.portName === undefined ? [] : [service.portName])];
  const names = [service.name, `${service.namespace}/${service.name}`];
  return [...names, ...names.flatMap((name) => ports.map((port) => `${name}:${port}`)), ...addresses];
}
