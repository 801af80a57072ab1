/** Addresses from one to another, both included. */
import { compareAddresses, familyOf, formatAddress, type IpAddress } from './address.ts';

/** Both of one family; first <= last. */
export interface AddressSpan {
  readonly first: IpAddress;
  readonly last: IpAddress;
}

export function spanContains({ first, last }: AddressSpan, address: IpAddress): boolean {
  return typeof first === typeof address && first <= address && address <= last;
}

export function spansMeet(x: AddressSpan, y: AddressSpan): boolean {
  return familyOf(x.first) === familyOf(y.first) && x.first <= y.last && y.first <= x.last;
}

/** How many addresses; of large IPv6 spans only about. */
export function spanSize({ first, last }: AddressSpan): number {
  return Number(BigInt(last) - BigInt(first) + 1n);
}

/** `10.1.0.16-10.1.0.31`, or the address if it is only one. */
export function formatSpan({ first, last }: AddressSpan): string {
  const text = formatAddress(first);
  return compareAddresses(first, last) === 0 ? text : `${text}-${formatAddress(last)}`;
}
