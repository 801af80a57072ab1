/** Prefixes of both families. */
import { type Family, familyOf, formatAddress, type IpAddress, parseAddress } from './address.ts';

/** All addresses whose first `length` bits equal those of `network`; the other bits of `network` are zero. */
export interface Prefix {
  readonly network: IpAddress;
  /** 0..32, or 0..128. */
  readonly length: number;
}

export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/**
 * `10.1.0.0/24`, `2001:db8::/64`; undefined if it is no prefix. Bits behind the prefix are kept: see
 * {@link networkOf}.
 */
export function parseCidr(text: string): { address: IpAddress; length: number } | undefined {
  const parts = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = parts?.[1] === undefined ? undefined : parseAddress(parts[1]);
  const length = Number(parts?.[2]);
  if (address === undefined || !(length <= addressBits(familyOf(address)))) return undefined;
  return { address, length };
}

/** The prefix of a CIDR, whatever its bits behind the prefix. */
export function parsePrefix(text: string): Prefix | undefined {
  const cidr = parseCidr(text);
  return cidr && { network: networkOf(cidr.address, cidr.length), length: cidr.length };
}

/** The first address of the prefix of this length that holds the address. */
export function networkOf(address: IpAddress, length: number): IpAddress {
  if (typeof address === 'number') return address - (address % 2 ** (32 - length));
  const rest = BigInt(128 - length);
  return (address >> rest) << rest;
}

/** The address so many places further on. */
export function addressAfter(address: IpAddress, steps: number): IpAddress {
  return typeof address === 'number' ? address + steps : address + BigInt(steps);
}

/** The last address of the prefix. */
export function lastAddressOf({ network, length }: Prefix): IpAddress {
  if (typeof network === 'number') return network + 2 ** (32 - length) - 1;
  return network | ((1n << BigInt(128 - length)) - 1n);
}

export function formatPrefix({ network, length }: Prefix): string {
  return `${formatAddress(network)}/${length}`;
}

export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  // A number is never equal to a bigint.
  return typeof address === typeof prefix.network && networkOf(address, prefix.length) === prefix.network;
}

/** Four words, as the maps have masks. */
export function maskWords(length: number): [number, number, number, number] {
  const word = (index: number): number => {
    const bits = Math.min(32, Math.max(0, length - 32 * index));
    return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  };
  return [word(0), word(1), word(2), word(3)];
}

/**
 * The address that the VIP device holds for a range: the first usable one, 10.1.0.1 of 10.1.0.0/24,
 * 2001:db8::1 of 2001:db8::/64. A range of one or two addresses has none to spare.
 */
export function deviceAddressOf(range: Prefix): IpAddress | undefined {
  const isTooSmall = range.length >= addressBits(familyOf(range.network)) - 1;
  return isTooSmall ? undefined : addressAfter(range.network, 1);
}
