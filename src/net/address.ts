/**
 * Addresses of both families as values: IPv4 as a number in natural order (10.1.0.2 is 0x0a010002), IPv6
 * as a bigint in natural order. The type tells the family, so that both can be keys of one Map, and IPv4
 * stays as fast as numbers are.
 */
import { Address6 } from 'ip-address';
import { formatIpv4, isUnicast4, parseIpv4 } from './ipv4.ts';
import { withPort } from './with-port.ts';

export type IpAddress = number | bigint;
export type Family = 4 | 6;

/** Four words in natural order, as the maps have them; IPv4 is the first. */
export type AddressWords = readonly [number, number, number, number];

const WORD = 0xffffffffn;

export function familyOf(address: IpAddress): Family {
  return typeof address === 'number' ? 4 : 6;
}

/** Undefined if the text is no address. IPv6 is read in every spelling but with a zone. */
export function parseAddress(text: string): IpAddress | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv6(text: string): bigint | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  try {
    return new Address6(text).bigInt();
  } catch {
    return undefined;
  }
}

/** In the canonical spelling: dotted, or as RFC 5952 says. */
export function formatAddress(address: IpAddress): string {
  return typeof address === 'number' ? formatIpv4(address) : formatIpv6(address);
}

/** RFC 5952: the longest row of two or more zero groups, of equals the first, is `::`. */
function formatIpv6(address: bigint): string {
  const groups = wordsOf(address).flatMap((word) => [word >>> 16, word & 0xffff]);
  let best = { at: 0, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === 0) length += 1;
    if (length > best.length) best = { at, length };
    at += length;
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return hex(groups);
  return `${hex(groups.slice(0, best.at))}::${hex(groups.slice(best.at + best.length))}`;
}

/** `10.0.0.1:80` or `[2001:db8::1]:80`. */
export function formatEndpoint(address: IpAddress, port: number): string {
  return withPort(formatAddress(address), port);
}

/** IPv4 before IPv6, then by number. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function wordsOf(address: IpAddress): AddressWords {
  if (typeof address === 'number') return [address, 0, 0, 0];
  return [
    Number(address >> 96n),
    Number((address >> 64n) & WORD),
    Number((address >> 32n) & WORD),
    Number(address & WORD),
  ];
}

/** The address of four words in natural order; of IPv4 the others do not count. */
export function addressOfWords(words: readonly number[], family: number): IpAddress {
  const word = (index: number): bigint => BigInt(words[index] ?? 0);
  if (family !== 6) return words[0] ?? 0;
  return (word(0) << 96n) | (word(1) << 64n) | (word(2) << 32n) | word(3);
}

/** Reads an address of the maps: four words, each as on the wire. */
export function readAddress(view: DataView, at: number, family: number): IpAddress {
  if (family !== 6) return view.getUint32(at, false);
  return (view.getBigUint64(at, false) << 64n) | view.getBigUint64(at + 8, false);
}

/**
 * Whether a host can have the address and be reached over a router. Of IPv6 not: those that begin with 80
 * zero bits (unspecified, loopback, mapped IPv4), link-local and multicast ones.
 */
export function isUnicast(address: IpAddress): boolean {
  if (typeof address === 'number') return isUnicast4(address);
  const first = Number(address >> 112n);
  return address >> 48n !== 0n && first < 0xff00 && (first & 0xffc0) !== 0xfe80;
}
