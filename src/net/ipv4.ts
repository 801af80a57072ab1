/**
 * IPv4 addresses as numbers in natural order: 10.1.0.2 is 0x0a010002. Only the canonical spelling is read,
 * so that one address has one name everywhere.
 */
import { Address4 } from 'ip-address';

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

/** Whether a host can have the address: not 0/8, 127/8, nor 224/3 (multicast, reserved, broadcast). */
export function isUnicast4(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}
