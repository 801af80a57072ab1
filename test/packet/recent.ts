/** Copies of remembered flows, as bpf/recent.h keeps them. */
import {
  RECENT_SEEN_MASK,
  RECENT_SEEN_SHIFT,
  recentFlow as recentLayout,
} from '../../src/layout/generated.ts';

const MIX = 0xff51afd7ed558ccdn;
const U64 = 0xffffffffffffffffn;
const SEEN = BigInt(RECENT_SEEN_SHIFT);

export const recentCheck = (key: bigint, word: bigint): bigint => key ^ ((word * MIX) & U64);

/** Lets time pass for all copies: each becomes so many jiffies older. memory is recent4. */
export function ageRecent(memory: Buffer, jiffies: number): void {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  for (let at = 0; at < memory.length; at += recentLayout.size) {
    const { check, word } = recentLayout.read(view, at);
    if (word === 0n) continue;
    const key = recentCheck(check, word);
    const older = jiffies > RECENT_SEEN_MASK ? 0n : seenBefore(word, jiffies);
    recentLayout.write(view, at, { check: recentCheck(key, older), word: older });
  }
}

function seenBefore(word: bigint, jiffies: number): bigint {
  const seen = (Number(word >> SEEN) - jiffies) & RECENT_SEEN_MASK;
  return (word & ((1n << SEEN) - 1n)) | (BigInt(seen) << SEEN);
}
