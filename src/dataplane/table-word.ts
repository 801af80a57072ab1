/** The word service.table: which Maglev table a service has, and which block of backends it speaks of. */
import {
  SLOTS_PER_LINE,
  TABLE_BLOCK_MASK,
  TABLE_BLOCK_SHIFT,
  TABLE_CLASS_MASK,
  TABLE_CLASS_SHIFT,
  TABLE_GENERATION_SHIFT,
  TABLE_LINE_BITS,
  TABLE_ORDER_SHIFT,
} from '../layout/generated.ts';
import { TABLE_SIZES } from '../services/desired-state.ts';

export interface TableWord {
  /** First line in maglev_slots. */
  readonly line: number;
  /** 1 + index into TABLE_SIZES; 0: no table. */
  readonly sizeClass: number;
  /** Binary logarithm of the block's capacity, 1..15; 0: the service has no block. */
  readonly order: number;
  /** Index of the block's first backend. */
  readonly block: number;
  /** Counts the switches, modulo 256. */
  readonly generation: number;
}

export const NO_TABLE: TableWord = { line: 0, sizeClass: 0, order: 0, block: 0, generation: 0 };

export function packTableWord(word: TableWord): bigint {
  return (
    BigInt(word.line) |
    (BigInt(word.sizeClass) << BigInt(TABLE_CLASS_SHIFT)) |
    (BigInt(word.order) << BigInt(TABLE_ORDER_SHIFT)) |
    (BigInt(word.block) << BigInt(TABLE_BLOCK_SHIFT)) |
    (BigInt(word.generation & 0xff) << BigInt(TABLE_GENERATION_SHIFT))
  );
}

export function unpackTableWord(word: bigint): TableWord {
  const low = Number(word & 0xffffffffn);
  return {
    line: low & (2 ** TABLE_LINE_BITS - 1),
    sizeClass: (low >>> TABLE_CLASS_SHIFT) & TABLE_CLASS_MASK,
    order: (low >>> TABLE_ORDER_SHIFT) & 0xf,
    block: Number(word >> BigInt(TABLE_BLOCK_SHIFT)) & TABLE_BLOCK_MASK,
    generation: Number(word >> BigInt(TABLE_GENERATION_SHIFT)),
  };
}

/** How many entries of `backends` the service's block has. */
export function blockCapacity(word: TableWord): number {
  return word.order === 0 ? 0 : 2 ** word.order;
}

/** Slots of the table; 0 without one. */
export function tableSlots(word: TableWord): number {
  return TABLE_SIZES[word.sizeClass - 1] ?? 0;
}

export function sizeClassOf(slots: number): number {
  const index = (TABLE_SIZES as readonly number[]).indexOf(slots);
  if (index < 0) throw new RangeError(`a table of ${slots} slots; there are ${TABLE_SIZES.join(', ')}`);
  return index + 1;
}

/** Lines that a table of so many slots takes. */
export function linesOf(slots: number): number {
  return Math.ceil(slots / SLOTS_PER_LINE);
}
