/**
 * Who a backend is for Maglev: address, port and protocol. Weight, state, name and node never enter, so
 * that a change of those moves no other slot.
 */

export interface BackendIdentity {
  /** Four words, IPv4 in the first; natural order: 10.1.0.2 is 0x0a010002. */
  readonly address: readonly [number, number, number, number];
  /** 4 or 6. */
  readonly family: number;
  readonly port: number;
  /** IP protocol number. */
  readonly protocol: number;
}

/**
 * Fixed for the product's life: every node of every version must walk the slots in the same order. The
 * value is the golden ratio's fraction, as in SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
 */
const SEED = 0x9e3779b97f4a7c15n;
const WORD = 0xffffffffffffffffn;

/** The 64-bit finalizer of MurmurHash3 (Appleby): a bijection in which each bit depends on all bits. */
function mix(value: bigint): bigint {
  let h = value & WORD;
  h ^= h >> 33n;
  h = (h * 0xff51afd7ed558ccdn) & WORD;
  h ^= h >> 33n;
  h = (h * 0xc4ceb9fe1a85ec53n) & WORD;
  return h ^ (h >> 33n);
}

export function identityOfIpv4(address: number, port: number, protocol: number): BackendIdentity {
  return { address: [address, 0, 0, 0], family: 4, port, protocol };
}

/**
 * Two independent 64-bit words: material for the offset and for the skip of the backend's permutation.
 * The identity is absorbed word by word, then squeezed twice, in the manner of SplitMix64.
 */
export function hashIdentity(identity: BackendIdentity): readonly [bigint, bigint] {
  const [a, b, c, d] = identity.address;
  const tail = identity.port * 0x10000 + identity.protocol * 0x100 + identity.family;
  let state = mix(SEED ^ BigInt(tail));
  state = mix(state ^ ((BigInt(a) << 32n) | BigInt(b)));
  state = mix(state ^ ((BigInt(c) << 32n) | BigInt(d)));
  return [mix(state + SEED), mix(state + 2n * SEED)];
}

/** Order by family, address as a number, port, protocol; every table is built in this order. */
export function compareIdentities(x: BackendIdentity, y: BackendIdentity): number {
  if (x.family !== y.family) return x.family - y.family;
  for (const word of [0, 1, 2, 3] as const) {
    if (x.address[word] !== y.address[word]) return x.address[word] - y.address[word];
  }
  return x.port - y.port || x.protocol - y.protocol;
}
