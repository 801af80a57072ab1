/** Which slot a new flow falls on: the hash of docs/packet-path.md, section 6, as the C code computes it. */

/** Addresses and ports as numbers in natural order; protocol is the IP protocol number. */
export interface FlowTuple {
  readonly client: number;
  readonly vip: number;
  readonly clientPort: number;
  readonly vipPort: number;
  readonly protocol: number;
}

const WORD = 0xffffffffffffffffn;

/** 32 bits. The multipliers are those of MurmurHash3's finalizer (Appleby) and Knuth's. */
export function flowHash(flow: FlowTuple, seed: bigint): number {
  const ports = indexWord(flow.clientPort * 0x10000 + flow.vipPort);
  let h = ((BigInt(indexWord(flow.client)) << 32n) | BigInt(ports)) ^ seed;
  h = (h * 0xff51afd7ed558ccdn) & WORD;
  h ^= h >> 32n;
  h = (h + ((BigInt(indexWord(flow.vip)) << 32n) | BigInt(flow.protocol))) & WORD;
  h = (h * 0xc4ceb9fe1a85ec53n) & WORD;
  h ^= h >> 29n;
  return Math.imul(Number((h >> 16n) & 0xffffffffn), 2654435761) >>> 0;
}

/** The slot of a table with `slots` slots: a multiplication in place of a division. */
export function slotOf(hash: number, slots: number): number {
  return Math.floor((hash * slots) / 2 ** 32);
}

/** A little-endian load of the four bytes on the wire. */
function indexWord(natural: number): number {
  return (
    ((natural >>> 24) | ((natural >>> 8) & 0xff00) | ((natural << 8) & 0xff0000) | (natural << 24)) >>> 0
  );
}
