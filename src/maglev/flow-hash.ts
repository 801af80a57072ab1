/** Which slot a new flow falls on: the hash of docs/packet-path.md, section 6, as the C code computes it. */
import { type IpAddress, wordsOf } from '../net/address.ts';

/** Addresses of one family; ports in natural order; protocol is the IP protocol number. */
export interface FlowTuple {
  readonly client: IpAddress;
  readonly vip: IpAddress;
  readonly clientPort: number;
  readonly vipPort: number;
  readonly protocol: number;
}

/**
 * What the hash is of: the whole tuple; all but the ports (`l4lb.io/hash: 3-tuple`); the client's address
 * alone (`sessionAffinity: ClientIP`).
 */
export type HashedPart = 'tuple' | 'addresses' | 'client';

const WORD = 0xffffffffffffffffn;
const FIRST = 0xff51afd7ed558ccdn;
const SECOND = 0xc4ceb9fe1a85ec53n;

/** 32 bits. The multipliers are those of MurmurHash3's finalizer (Appleby) and Knuth's. */
export function flowHash(flow: FlowTuple, seed: bigint, part: HashedPart = 'tuple'): number {
  const client = clientWord(flow.client, seed);
  if (part === 'client') return hashWords(client, 0, 0, 0, seed);
  const ports = part === 'tuple' ? indexWord(flow.clientPort * 0x10000 + flow.vipPort) : 0;
  return hashWords(client, vipWord(flow.vip), ports, flow.protocol, seed);
}

function hashWords(client: number, vip: number, ports: number, protocol: number, seed: bigint): number {
  const mixed = mix(join(client, ports) ^ seed, join(vip, protocol));
  return Math.imul(Number(mixed), 2654435761) >>> 0;
}

/** Two multiplications over two words of 64 bits; 32 bits of the result. */
function mix(first: bigint, second: bigint): bigint {
  let h = (first * FIRST) & WORD;
  h ^= h >> 32n;
  h = (h + second) & WORD;
  h = (h * SECOND) & WORD;
  h ^= h >> 29n;
  return (h >> 16n) & 0xffffffffn;
}

/** Of IPv6 the four words are folded with the seed, because a client may choose its address. */
function clientWord(client: IpAddress, seed: bigint): number {
  if (typeof client === 'number') return indexWord(client);
  const [a, b, c, d] = indexWords(client);
  return Number(mix(join(b, a) ^ seed, join(d, c)));
}

function vipWord(vip: IpAddress): number {
  if (typeof vip === 'number') return indexWord(vip);
  const [a, b, c, d] = indexWords(vip);
  return (a ^ b ^ c ^ d) >>> 0;
}

/** The slot of a table with `slots` slots: a multiplication in place of a division. */
export function slotOf(hash: number, slots: number): number {
  return Math.floor((hash * slots) / 2 ** 32);
}

function join(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

function indexWords(address: IpAddress): [number, number, number, number] {
  return wordsOf(address).map(indexWord) as [number, number, number, number];
}

/** A little-endian load of the four bytes on the wire. */
function indexWord(natural: number): number {
  return (
    ((natural >>> 24) | ((natural >>> 8) & 0xff00) | ((natural << 8) & 0xff0000) | (natural << 24)) >>> 0
  );
}
