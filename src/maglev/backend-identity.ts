/**
 * Who a backend is for Maglev: address, port and protocol. Weight, state, name and node never enter, so
 * that a change of those moves no other slot.
 */
import { type AddressWords, familyOf, type IpAddress, wordsOf } from '../net/address.ts';

export interface BackendIdentity {
  /** Four words, IPv4 in the first; natural order: 10.1.0.2 is 0x0a010002. */
  readonly address: AddressWords;
  /** 4 or 6. */
  readonly family: number;
  readonly port: number;
  /** IP protocol number. */
  readonly protocol: number;
}

export function identityOf(address: IpAddress, port: number, protocol: number): BackendIdentity {
  return { address: wordsOf(address), family: familyOf(address), port, protocol };
}

/** Order by family, address as a number, port, protocol; every table is built in this order. */
export function compareIdentities(x: BackendIdentity, y: BackendIdentity): number {
  if (x.family !== y.family) return x.family - y.family;
  for (const word of [0, 1, 2, 3] as const) {
    if (x.address[word] !== y.address[word]) return x.address[word] - y.address[word];
  }
  return x.port - y.port || x.protocol - y.protocol;
}
