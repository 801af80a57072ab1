/**
 * What a backend's permutation is made from: two 64-bit words of its identity. Computed in halves of 32
 * bits, because bigints take a microsecond for each step, and a table has a thousand backends.
 */
import type { BackendIdentity } from './backend-identity.ts';
import { add, multiply, type Word } from './word64.ts';

/**
 * Fixed for the product's life: every node of every version must walk the slots in the same order. The
 * value is the golden ratio's fraction, as in SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
 */
const SEED_HIGH = 0x9e3779b9;
const SEED_LOW = 0x7f4a7c15;

/** The 64-bit finalizer of MurmurHash3 (Appleby): a bijection in which each bit depends on all bits. */
function mix(word: Word): void {
  word.low = (word.low ^ (word.high >>> 1)) >>> 0;
  multiply(word, 0xff51afd7, 0xed558ccd);
  word.low = (word.low ^ (word.high >>> 1)) >>> 0;
  multiply(word, 0xc4ceb9fe, 0x1a85ec53);
  word.low = (word.low ^ (word.high >>> 1)) >>> 0;
}

function absorb(word: Word, high: number, low: number): void {
  word.high = (word.high ^ high) >>> 0;
  word.low = (word.low ^ low) >>> 0;
  mix(word);
}

/**
 * Writes two independent 64-bit words for each identity, material for the offset and for the skip of the
 * backend's permutation, in the host's byte order as C reads them. The identity is absorbed word by word,
 * then squeezed twice, in the manner of SplitMix64.
 */
export function hashIdentities(identities: readonly BackendIdentity[]): BigUint64Array {
  const hashes = new BigUint64Array(identities.length * 2);
  const halves = new Uint32Array(hashes.buffer);
  const state: Word = { high: 0, low: 0 };
  const squeezed: Word = { high: 0, low: 0 };
  let at = 0;
  for (const { address, port, protocol, family } of identities) {
    state.high = SEED_HIGH;
    state.low = SEED_LOW;
    absorb(state, 0, port * 0x10000 + protocol * 0x100 + family);
    absorb(state, address[0], address[1]);
    absorb(state, address[2], address[3]);
    // The first time from the state with the seed added once, then twice.
    for (let times = 1; times <= 2; times++, at += 2) {
      add(state, SEED_HIGH, SEED_LOW);
      squeezed.high = state.high;
      squeezed.low = state.low;
      mix(squeezed);
      halves[at + LOW_HALF] = squeezed.low;
      halves[at + 1 - LOW_HALF] = squeezed.high;
    }
  }
  return hashes;
}

/** Which half of a 64-bit word comes first in memory. */
const LOW_HALF = new Uint32Array(new BigUint64Array([1n]).buffer)[0] === 1 ? 0 : 1;

/** The two words of one identity. */
export function hashIdentity(identity: BackendIdentity): readonly [bigint, bigint] {
  const [offset = 0n, skip = 0n] = hashIdentities([identity]);
  return [offset, skip];
}
