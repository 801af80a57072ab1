/** The query of /v1/connections: which flows, and how many at most. */
import { formatAddress, parseAddress } from '../net/address.ts';
import { type Prefix, parsePrefix, prefixContains } from '../net/prefix.ts';
import { withPort } from '../net/with-port.ts';
import { splitEndpoint } from './endpoint-text.ts';
import { FLOW_STATES } from './flow-states.ts';
import { HttpError } from './http-error.ts';
import type { ConnectionView } from './types.ts';

export interface ConnectionFilter {
  /** An address or a prefix. */
  readonly client?: Prefix;
  /** `10.0.0.5`, `10.0.0.5:8080`, `2001:db8::5` or `[2001:db8::5]:8080`. */
  readonly backend?: string;
  /** `namespace/name`, `name`, or a frontend `10.1.0.2:53/UDP`. */
  readonly service?: string;
  readonly state?: string;
  readonly protocol?: 'TCP' | 'UDP';
  readonly limit: number;
}

/** Without a limit all are meant: what was left out silently would be taken for not there. */
export const MAX_CONNECTIONS = 1_000_000;

const KNOWN = ['client', 'backend', 'service', 'state', 'protocol', 'limit'];

/** Throws an HttpError 400 that names the parameter, its value and what is allowed. */
export function parseConnectionFilter(query: URLSearchParams): ConnectionFilter {
  for (const key of query.keys()) {
    if (!KNOWN.includes(key)) {
      throw new HttpError(400, `unknown parameter "${key}"`, `known are: ${KNOWN.join(', ')}`);
    }
  }
  const text = (key: string): string | undefined => query.get(key) || undefined;
  const client = text('client');
  const protocol = text('protocol')?.toUpperCase();
  if (protocol !== undefined && protocol !== 'TCP' && protocol !== 'UDP') {
    throw new HttpError(400, `protocol=${protocol}`, 'give TCP or UDP');
  }
  const backend = text('backend');
  const service = text('service');
  const state = text('state')?.toLowerCase();
  if (state !== undefined && !FLOW_STATES.includes(state)) {
    throw new HttpError(400, `state=${state}`, `give one of ${FLOW_STATES.join(', ')}`);
  }
  return {
    ...(client === undefined ? {} : { client: parseClient(client) }),
    ...(backend === undefined ? {} : { backend: parseBackend(backend) }),
    ...(service === undefined ? {} : { service }),
    ...(state === undefined ? {} : { state }),
    ...(protocol === undefined ? {} : { protocol }),
    limit: parseLimit(text('limit')),
  };
}

function parseClient(text: string): Prefix {
  const prefix = parsePrefix(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`);
  if (prefix !== undefined) return prefix;
  throw new HttpError(
    400,
    `client=${text}`,
    'give an address or prefix, like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32',
  );
}

function parseBackend(text: string): string {
  const { address, port } = splitEndpoint(text);
  const number = parseAddress(address);
  if (number === undefined || (port !== undefined && (port < 1 || port > 65_535))) {
    throw new HttpError(
      400,
      `backend=${text}`,
      'give an address, with or without a port: 10.0.0.5:8080, [2001:db8::5]:8080',
    );
  }
  return port === undefined ? formatAddress(number) : withPort(formatAddress(number), port);
}

function parseLimit(text: string | undefined): number {
  if (text === undefined) return MAX_CONNECTIONS;
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > MAX_CONNECTIONS) {
    throw new HttpError(400, `limit=${text}`, `give a number from 1 to ${MAX_CONNECTIONS}`);
  }
  return limit;
}

/** Whether the flow is asked for; the limit is the caller's. */
export function matchesFilter(filter: ConnectionFilter, flow: ConnectionView): boolean {
  if (filter.protocol !== undefined && flow.protocol !== filter.protocol) return false;
  if (filter.state !== undefined && flow.state.toLowerCase() !== filter.state) return false;
  if (filter.client !== undefined) {
    const client = parseAddress(splitEndpoint(flow.client).address);
    if (client === undefined || !prefixContains(filter.client, client)) return false;
  }
  if (filter.backend !== undefined) {
    const wanted = filter.backend;
    if (flow.backend !== wanted && splitEndpoint(flow.backend).address !== wanted) return false;
  }
  if (filter.service !== undefined) {
    const { service, frontend } = flow;
    if (![service, service.split('/')[1], frontend].includes(filter.service)) return false;
  }
  return true;
}
