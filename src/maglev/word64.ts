/**
 * Arithmetic modulo 2^64 in halves of 32 bits, because bigints take a microsecond for each step.
 */

/** A 64-bit word; both halves are 0..2^32-1. */
export interface Word {
  high: number;
  low: number;
}

/** word becomes word * (high, low) modulo 2^64, as schoolbook multiplication with digits of 16 bits. */
export function multiply(word: Word, high: number, low: number): void {
  const a = word.low >>> 16;
  const b = word.low & 0xffff;
  const c = low >>> 16;
  const d = low & 0xffff;
  // Each sum stays below 2^33, which a number holds exactly.
  const lowest = b * d;
  const middle = a * d + Math.floor(lowest / 0x10000);
  const other = b * c + (middle % 0x10000);
  const carried = a * c + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000);
  const crossed = Math.imul(word.high, low) + Math.imul(word.low, high);
  word.high = (carried + crossed) >>> 0;
  word.low = ((other % 0x10000) * 0x10000 + (lowest % 0x10000)) >>> 0;
}

/** word becomes word + (high, low) modulo 2^64. */
export function add(word: Word, high: number, low: number): void {
  const sum = word.low + low;
  word.high = (word.high + high + (sum > 0xffffffff ? 1 : 0)) >>> 0;
  word.low = sum >>> 0;
}
