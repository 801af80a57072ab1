/** The filters of `lbctl conn list`. */
import { BlockList, isIP, isIPv4 } from 'node:net';
import { splitEndpoint } from '../api/endpoint-text.ts';
import type { ConnectionView } from '../api/types.ts';

/** Tells whether `address:port` is meant. */
export type EndpointMatcher = (endpoint: string) => boolean;

export const ENDPOINT_HELP = 'an address, a CIDR such as 10.0.0.0/8, or address:port';

/** @returns undefined if the text is none of {@link ENDPOINT_HELP}. */
export function parseEndpoint(text: string): EndpointMatcher | undefined {
  const { address, port } = splitEndpoint(text);
  const [network, length] = splitPrefix(address);
  const family = isIP(network);
  if (family === 0) return undefined;
  const bits = family === 4 ? 32 : 128;
  if (length !== undefined && (port !== undefined || !(length <= bits))) return undefined;
  if (port !== undefined && !(port >= 1 && port <= 65535)) return undefined;
  const list = new BlockList();
  list.addSubnet(network, length ?? bits, family === 4 ? 'ipv4' : 'ipv6');
  return (endpoint) => {
    const other = splitEndpoint(endpoint);
    if (isIP(other.address) === 0) return false;
    return (
      list.check(other.address, isIPv4(other.address) ? 'ipv4' : 'ipv6') &&
      (port === undefined || port === other.port)
    );
  };
}

/** Whether the text is address:port. */
export function hasPort(text: string): boolean {
  return splitEndpoint(text).port !== undefined;
}

/** What of a query the connection itself decides; every part that is given must match. */
export interface ConnectionFilter {
  readonly client?: EndpointMatcher;
  readonly backend?: EndpointMatcher;
  /** `10.1.0.2:53/UDP` */
  readonly frontends?: ReadonlySet<string>;
  /** Compared without regard to case. */
  readonly state?: string;
  readonly protocol?: string;
}

export function passes(connection: ConnectionView, filter: ConnectionFilter): boolean {
  return (
    (filter.client?.(connection.client) ?? true) &&
    (filter.backend?.(connection.backend) ?? true) &&
    (filter.frontends?.has(connection.frontend) ?? true) &&
    (filter.state === undefined || filter.state.toLowerCase() === connection.state.toLowerCase()) &&
    (filter.protocol === undefined || filter.protocol.toUpperCase() === connection.protocol.toUpperCase())
  );
}

function splitPrefix(text: string): [address: string, length: number | undefined] {
  const parts = /^(.+)\/(\d{1,3})$/.exec(text);
  return parts?.[1] === undefined ? [text, undefined] : [parts[1], Number(parts[2])];
}
