/** The kinds of addresses that configuration keys take, of both families. */
import { z } from 'zod';
import { compareAddresses, formatAddress, type IpAddress, isUnicast, parseAddress } from '../net/address.ts';
import type { AddressRange } from '../net/address-range.ts';
import type { AddressSpan } from '../net/address-span.ts';
import { formatPrefix, lastAddressOf, networkOf, type Prefix, parseCidr } from '../net/prefix.ts';
import { described, refuse } from './config-fields.ts';

const NOT_UNICAST = 'is not unicast: no host can have these addresses';
/** SNAT addresses are numbered by 8 bits. */
const MAX_ADDRESSES = 256;

/** Undefined: not within what is allowed. A string: what is wrong with it. */
type Reading<T> = T | string | undefined;

function readBy<T>(read: (text: string) => Reading<T>, allowed: string) {
  const schema = z.string().transform((text, context): T => {
    const value = read(text);
    if (value !== undefined && typeof value !== 'string') return value;
    refuse(context, typeof value === 'string' ? value : undefined);
    return z.NEVER;
  });
  return described(schema, allowed);
}

/** A prefix that hosts can have, written by its network address. */
export function vipRange() {
  return readBy(
    (text) => networkPrefix(text, 8, 32),
    'an IPv4 CIDR from /8 to /32 such as 10.1.0.0/24, or an IPv6 CIDR from /32 to /128 such as 2001:db8:1::/64',
  );
}

/** An address, or a prefix of which the host part varies; of IPv6 that is at most the last 32 bits. */
export function outerSource() {
  const read = (text: string): Reading<Prefix> => {
    const single = parseAddress(text);
    const length = typeof single === 'bigint' ? 128 : 32;
    return networkPrefix(single === undefined ? text : `${text}/${length}`, 8, 96);
  };
  return readBy(
    read,
    'an address, an IPv4 CIDR from /8 such as 10.4.0.0/16, or an IPv6 CIDR from /96 such as 2001:db8:4::/96',
  );
}

/** Where tunnels come from: an address, or a prefix of any length that is not everything. */
export function tunnelSource() {
  const read = (text: string): Reading<Prefix> => {
    const single = parseAddress(text);
    const length = typeof single === 'bigint' ? 128 : 32;
    return networkPrefix(single === undefined ? text : `${text}/${length}`, 8, 16);
  };
  return readBy(
    read,
    'an address, an IPv4 CIDR from /8 such as 10.4.0.0/16, or an IPv6 CIDR from /16 such as 2001:db8:4::/48',
  );
}

/** least4 and least6: the shortest prefixes. */
function networkPrefix(text: string, least4: number, least6: number): Reading<Prefix> {
  const cidr = parseCidr(text);
  if (cidr === undefined || cidr.length < (typeof cidr.address === 'number' ? least4 : least6)) {
    return undefined;
  }
  const { length } = cidr;
  const network = networkOf(cidr.address, length);
  if (network !== cidr.address) return didYouMean({ network, length });
  return isUnicast(network) ? { network, length } : NOT_UNICAST;
}

function didYouMean(prefix: Prefix): string {
  return `is not a network address; did you mean ${formatPrefix(prefix)}?`;
}

/** An address, a CIDR, or first-last: addresses in a row. */
export function addressRange() {
  return readBy(
    parseAddressRange,
    'an address, a CIDR such as 10.2.0.16/30 or 2001:db8:2::/126, or a range such as 10.2.0.16-10.2.0.19',
  );
}

function parseAddressRange(text: string): Reading<AddressRange> {
  const ends = endsOf(text);
  if (ends === undefined || typeof ends === 'string') return ends;
  const [first, last] = ends;
  if (!isUnicast(first) || !isUnicast(last)) return NOT_UNICAST;
  const count = Number(BigInt(last) - BigInt(first)) + 1;
  if (count > MAX_ADDRESSES)
    return `has more than ${MAX_ADDRESSES} addresses, which is the most there can be`;
  if (typeof first === 'bigint' && networkOf(first, 96) !== networkOf(last, 96)) {
    return 'has IPv6 addresses that differ in more than the last 32 bits';
  }
  return { first, count };
}

/** The same without a limit to how many. */
export function addressSpan() {
  const read = (text: string): Reading<AddressSpan> => {
    const ends = endsOf(text);
    if (ends === undefined || typeof ends === 'string') return ends;
    const [first, last] = ends;
    return isUnicast(first) && isUnicast(last) ? { first, last } : NOT_UNICAST;
  };
  return readBy(
    read,
    'an address, a CIDR such as 10.1.0.16/28 or 2001:db8:1::/112, or a range such as 10.1.0.16-10.1.0.99',
  );
}

function endsOf(text: string): Reading<[IpAddress, IpAddress]> {
  const single = parseAddress(text);
  if (single !== undefined) return [single, single];
  const cidr = parseCidr(text);
  if (cidr !== undefined) {
    const prefix = { network: networkOf(cidr.address, cidr.length), length: cidr.length };
    return prefix.network === cidr.address ? [cidr.address, lastAddressOf(prefix)] : didYouMean(prefix);
  }
  const [from, to, ...rest] = text.split('-').map((part) => parseAddress(part.trim()));
  if (from === undefined || to === undefined || rest.length > 0) return undefined;
  if (typeof from !== typeof to) return undefined;
  if (compareAddresses(from, to) <= 0) return [from, to];
  return `ends before it begins; did you mean ${formatAddress(to)}-${formatAddress(from)}?`;
}

/** One address of the node, or one of each family. */
export function ownAddresses() {
  const one = z.string().transform((text, context): IpAddress => {
    const address = parseAddress(text);
    if (address !== undefined && isUnicast(address)) return address;
    refuse(context);
    return z.NEVER;
  });
  const schema = z
    .union([one.transform((address) => [address]), z.array(one).min(1).max(2)])
    .refine((addresses) => new Set(addresses.map((address) => typeof address)).size === addresses.length);
  return described(schema, 'a unicast address, or a list of an IPv4 and an IPv6 one');
}
