/** What a service entry is found by: VIP, port and protocol. */
import { addressFamily, frontendKey } from '../layout/generated.ts';
import { formatIpv4 } from '../net/ipv4.ts';
import type { DesiredService, Protocol } from '../services/desired-state.ts';
import { addressNumber } from './address-number.ts';

/** Port and protocol 0 stand for the VIP itself, which is in use. Natural numbers. */
export interface FrontendKey4 {
  readonly vip: number;
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

export function keyOfService(service: DesiredService): FrontendKey4 {
  const vip = addressNumber(service.frontend.vip);
  return { vip, port: service.frontend.port, protocol: protocolNumber(service.frontend.protocol) };
}

export function keyOfVip(vip: number): FrontendKey4 {
  return { vip, port: 0, protocol: 0 };
}

export function isVipKey(key: FrontendKey4): boolean {
  return key.port === 0 && key.protocol === 0;
}

/** One number for a key, for maps in memory: 32 + 16 + 5 bits, exact in a double. */
export function keyNumber(key: FrontendKey4): number {
  return (key.vip * 0x10000 + key.port) * 32 + key.protocol;
}

/** `10.1.0.2:53/UDP` */
export function formatKey(key: FrontendKey4): string {
  return isVipKey(key)
    ? formatIpv4(key.vip)
    : `${formatIpv4(key.vip)}:${key.port}/${protocolName(key.protocol)}`;
}

export function encodeKey(key: FrontendKey4): Uint8Array {
  return frontendKey.encode({
    addr: [key.vip, 0, 0, 0],
    port: key.port,
    protocol: key.protocol,
    family: addressFamily.FAMILY_V4,
  });
}

/** Where the frontend table has the key: docs/packet-path.md, section 6. */
export function hashKey(key: FrontendKey4): { readonly hash: number; readonly tag: number } {
  const word =
    BigInt(swap32(key.vip)) |
    (BigInt(((key.port & 0xff) << 8) | (key.port >> 8)) << 32n) |
    (BigInt(key.protocol) << 48n) |
    (BigInt(addressFamily.FAMILY_V4) << 56n);
  const product = (word * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
  const high = Number(product >> 32n);
  return { hash: (Number(product & 0xffffffffn) ^ high) >>> 0, tag: high };
}

function swap32(value: number): number {
  return ((value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff0000) | (value << 24)) >>> 0;
}
