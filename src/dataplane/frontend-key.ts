/** What a service entry is found by: VIP, port and protocol. */
import { addressFamily, frontendKey } from '../layout/generated.ts';
import {
  addressOfWords,
  compareAddresses,
  familyOf,
  formatAddress,
  formatEndpoint,
  type IpAddress,
  wordsOf,
} from '../net/address.ts';
import type { DesiredService, Protocol } from '../services/desired-state.ts';
import { addressNumber } from './address-number.ts';

/** Port and protocol 0 stand for the VIP itself, which is in use. Natural numbers. */
export interface FrontendKey {
  readonly vip: IpAddress;
  readonly port: number;
  /** IP protocol number. */
  readonly protocol: number;
}

const PROTOCOL_NUMBERS = { TCP: 6, UDP: 17 } as const;

export function protocolNumber(protocol: Protocol): number {
  return PROTOCOL_NUMBERS[protocol];
}

export function protocolName(number: number): Protocol {
  return number === PROTOCOL_NUMBERS.TCP ? 'TCP' : 'UDP';
}

export function keyOfService(service: DesiredService): FrontendKey {
  const vip = addressNumber(service.frontend.vip);
  return { vip, port: service.frontend.port, protocol: protocolNumber(service.frontend.protocol) };
}

export function keyOfVip(vip: IpAddress): FrontendKey {
  return { vip, port: 0, protocol: 0 };
}

export function isVipKey(key: FrontendKey): boolean {
  return key.port === 0 && key.protocol === 0;
}

/**
 * One value for a key, for maps in memory: of IPv4 a number (32 + 16 + 5 bits, exact in a double), of IPv6
 * a bigint.
 */
export function keyNumber({ vip, port, protocol }: FrontendKey): number | bigint {
  const rest = port * 32 + protocol;
  return typeof vip === 'number' ? vip * 0x200000 + rest : (vip << 21n) | BigInt(rest);
}

/** IPv4 before IPv6, then by VIP, port, protocol. */
export function compareKeys(x: FrontendKey, y: FrontendKey): number {
  return compareAddresses(x.vip, y.vip) || x.port - y.port || x.protocol - y.protocol;
}

/** `10.1.0.2:53/UDP`, `[2001:db8::2]:53/UDP`; of a VIP itself the address. */
export function formatKey(key: FrontendKey): string {
  return isVipKey(key)
    ? formatAddress(key.vip)
    : `${formatEndpoint(key.vip, key.port)}/${protocolName(key.protocol)}`;
}

export function encodeKey({ vip, port, protocol }: FrontendKey): Uint8Array {
  return frontendKey.encode({ addr: [...wordsOf(vip)], port, protocol, family: familyOf(vip) });
}

export function decodeKey(bytes: Uint8Array): FrontendKey {
  const { addr, port, protocol, family } = frontendKey.decode(bytes);
  return { vip: addressOfWords(addr, family), port, protocol };
}

/** Where the frontend table has the key: docs/packet-path.md, section 6. */
export function hashKey({ vip, port, protocol }: FrontendKey): {
  readonly hash: number;
  readonly tag: number;
} {
  const family = typeof vip === 'number' ? addressFamily.FAMILY_V4 : addressFamily.FAMILY_V6;
  const word =
    BigInt(indexWordOf(vip)) |
    (BigInt(((port & 0xff) << 8) | (port >> 8)) << 32n) |
    (BigInt(protocol) << 48n) |
    (BigInt(family) << 56n);
  const product = (word * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
  const high = Number(product >> 32n);
  return { hash: (Number(product & 0xffffffffn) ^ high) >>> 0, tag: high };
}

/** An address in one word: of IPv6 the four are mixed. */
function indexWordOf(vip: IpAddress): number {
  if (typeof vip === 'number') return swap32(vip);
  const [a, b, c, d] = wordsOf(vip).map((word) => BigInt(swap32(word))) as [bigint, bigint, bigint, bigint];
  const mixed = ((((b << 32n) | a) * 0xff51afd7ed558ccdn) & 0xffffffffffffffffn) ^ ((d << 32n) | c);
  return Number((mixed ^ (mixed >> 32n)) & 0xffffffffn);
}

function swap32(value: number): number {
  return ((value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff0000) | (value << 24)) >>> 0;
}
