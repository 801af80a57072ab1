/** The ends of a random packet: few clients, few ports, so that packets of one flow meet. */
import { type Address, ip, ip6, isV6 } from '../model/bytes.ts';
import { type FrameFields, type IpFields, PROTOCOL, TCP } from '../model/packet.ts';
import { mirror } from '../packet/network.ts';
import { OTHER_VIP, UNUSED_VIP, VIP } from '../packet/situation.ts';
import type { Random } from './random.ts';

export const CLIENT_NETWORKS: ReadonlyArray<readonly [number, number]> = [
  [30, ip('198.51.100.0')],
  [10, ip('198.51.101.0')],
  [10, ip('198.51.102.0')],
  [3, ip('198.51.103.0')],
  [2, ip('198.51.104.0')],
  [1, ip('198.51.105.0')],
  [1, ip('198.51.106.0')],
  [2, ip('198.51.107.0')],
  [1, ip('172.16.0.0')],
  [1, ip('127.0.0.0')],
  [1, ip('0.0.0.0')],
  [1, ip('224.0.0.0')],
  [1, ip('255.255.255.0')],
];
export const PORTS = [80, 81, 53, 443, 7] as const;
export const VIPS = [VIP, VIP, VIP, OTHER_VIP, OTHER_VIP, UNUSED_VIP, ip('10.1.7.130')];

const FLAGS: ReadonlyArray<readonly [number, number]> = [
  [20, TCP.SYN],
  [12, TCP.ACK],
  [5, TCP.ACK | TCP.PSH],
  [5, TCP.ACK | TCP.FIN],
  [2, TCP.FIN],
  [4, TCP.RST],
  [2, TCP.RST | TCP.ACK],
  [2, TCP.SYN | TCP.ACK],
  [1, TCP.SYN | TCP.FIN],
  [1, TCP.SYN | TCP.RST],
  [1, 0],
];

/** The address itself, or the one after it. */
export const nextTo = (address: Address, isOff: boolean): Address =>
  isV6(address) ? address + BigInt(isOff) : address + Number(isOff);

export interface Ends {
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
}

const DONT_FRAGMENT = 0x4000;

/**
 * Mostly small, because building frames takes time; some at the limits of what fits with an outer header, and
 * some for IPv6 packets that nobody may be asked to make smaller.
 */
function payloadLength(random: Random): number {
  if (random.chance(0.06)) return 1180 + random.below(140);
  if (random.chance(0.08)) return 1200 + random.below(33);
  return random.below(random.chance(0.05) ? 1200 : 12);
}

export function l4(
  random: Random,
  protocol: number,
  ends: Ends,
  flags = random.weighted(FLAGS),
): FrameFields {
  const { source, destination, sourcePort, destinationPort } = ends;
  const payload = random.bytes(payloadLength(random));
  const ports = { sourcePort, destinationPort, payload };
  const ipFields: IpFields = {
    source,
    destination,
    ttl: random.chance(0.04) ? random.below(3) : 2 + random.below(254),
    tos: random.below(256),
    id: random.below(65536),
    fragment: random.chance(0.7) ? DONT_FRAGMENT : 0,
  };
  if (protocol === PROTOCOL.udp) return { ip: ipFields, l4: { kind: 'udp', ...ports } };
  // Now and then a segment is sent again.
  const seq = random.chance(0.5) ? 1 + random.below(2) : random.next();
  return { ip: ipFields, l4: { kind: 'tcp', ...ports, flags, seq, ack: random.next() } };
}

/** The ends as they are, or mirrored into IPv6. */
export function eitherFamily<E extends Pick<Ends, 'source' | 'destination'>>(random: Random, ends: E): E {
  if (random.chance(0.55) || isV6(ends.source) || isV6(ends.destination)) return ends;
  // IPv6 has a loopback and multicast addresses of its own.
  const special = new Map([
    [127, 1n],
    [0, 0n],
    [224, ip6('ff02::1')],
    [255, ip6('ff0e::101')],
  ]);
  const source = special.get(ends.source >>> 24) ?? mirror(ends.source);
  return { ...ends, source, destination: mirror(ends.destination) };
}
