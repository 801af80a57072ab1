/** Addresses in a row. */
import { formatAddress, type IpAddress } from './address.ts';
import { addressAfter } from './prefix.ts';

export interface AddressRange {
  readonly first: IpAddress;
  readonly count: number;
}

export function lastOfRange({ first, count }: AddressRange): IpAddress {
  return addressAfter(first, count - 1);
}

/** `10.2.0.16-10.2.0.19`, or the address if it is only one. */
export function formatRange(range: AddressRange): string {
  const first = formatAddress(range.first);
  return range.count === 1 ? first : `${first}-${formatAddress(lastOfRange(range))}`;
}
