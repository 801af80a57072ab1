/** The constant part of the outer IPv4 header's checksum, which a backend's entry carries in DSR. */
import { type Family, type IpAddress, wordsOf } from '../net/address.ts';
import { isTunnel, type ServiceMode } from '../services/desired-state.ts';

const VERSION_AND_LENGTH = 0x4500;
const DONT_FRAGMENT = 0x4000;
const TTL = 64;
const IPPROTO_IPIP = 4;
const IPPROTO_UDP = 17;
const IPPROTO_IPV6 = 41;

export interface OuterHeader {
  readonly mode: ServiceMode;
  /** Family of the inner packet. */
  readonly inner: Family;
  readonly backend: IpAddress;
  /** The network part of the outer IPv4 source (`lb_config.outer4`), a natural number. */
  readonly source: number;
}

/**
 * One's complement sum (RFC 1071), folded to 16 bits and not complemented, of the words that are the same
 * in every packet: version, length and TOS 0, DF, TTL and protocol, destination, network of the source.
 * As a program sums it that loads words from the wire on a little-endian machine. 0 where there is no
 * outer IPv4 header.
 */
export function outerChecksum({ mode, inner, backend, source }: OuterHeader): number {
  if (typeof backend !== 'number' || !isTunnel(mode)) return 0;
  const protocol = mode === 'gue' ? IPPROTO_UDP : inner === 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
  let sum = VERSION_AND_LENGTH + DONT_FRAGMENT + TTL * 256 + protocol;
  for (const address of [wordsOf(backend)[0], source]) sum += (address >>> 16) + (address & 0xffff);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  // The sum does not care for the byte order, but for a swap of the result.
  return ((sum & 0xff) << 8) | (sum >>> 8);
}
