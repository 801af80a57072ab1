/**
 * IPv4 addresses and prefixes as numbers in natural order: 10.1.0.2 is 0x0a010002. Only the canonical
 * spelling is read, so that one address has one name everywhere.
 */
import { Address4, Address6 } from 'ip-address';

/** All addresses whose first `length` bits equal those of `network`; the other bits of `network` are zero. */
export interface Prefix4 {
  readonly network: number;
  /** 0..32 */
  readonly length: number;
}

/** The address as a number, or undefined if this is not four decimal octets. */
export function parseIpv4(text: string): number | undefined {
  if (text.includes('/')) return undefined;
  try {
    return Number(new Address4(text).bigInt());
  } catch {
    return undefined;
  }
}

export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** Whether the text is an IPv6 address in any spelling. */
export function isIpv6(text: string): boolean {
  return !text.includes('/') && Address6.isValid(text);
}

/** `10.1.0.0/24`; undefined if it is no prefix. Bits behind the prefix are kept: see {@link networkOf}. */
export function parseCidr4(text: string): { address: number; length: number } | undefined {
  const parts = /^([^/]+)\/(\d{1,2})$/.exec(text);
  const address = parts?.[1] === undefined ? undefined : parseIpv4(parts[1]);
  const length = Number(parts?.[2]);
  return address === undefined || !(length <= 32) ? undefined : { address, length };
}

/** How many addresses the prefix has. */
export function prefixSize(prefix: Prefix4): number {
  return 2 ** (32 - prefix.length);
}

/** The first address of the prefix of this length that holds the address. */
export function networkOf(address: number, length: number): number {
  return address - (address % 2 ** (32 - length));
}

export function formatPrefix4(prefix: Prefix4): string {
  return `${formatIpv4(prefix.network)}/${prefix.length}`;
}

export function prefixContains(prefix: Prefix4, address: number): boolean {
  return networkOf(address, prefix.length) === prefix.network;
}

/**
 * The address that the VIP device holds for a range: the first usable one, 10.1.0.1 of 10.1.0.0/24.
 * A /31 or /32 has none to spare.
 */
export function deviceAddressOf(range: Prefix4): number | undefined {
  return range.length >= 31 ? undefined : range.network + 1;
}

/** Whether a host can have the address: not 0/8, 127/8, nor 224/3 (multicast, reserved, broadcast). */
export function isUnicast(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}
