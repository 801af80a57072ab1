/** The setting of the promises on movement: a hundred backends and a table of 65,537 slots. */
import { identityOf } from '../../../src/maglev/backend-identity.ts';
import { buildTable, type TableMember } from '../../../src/maglev/build-table.ts';
import { referenceTable } from '../../model/maglev-reference.ts';

export const SLOTS = 65_537;

export function hundredBackends(weightOf: (index: number) => number, network = 0): TableMember[] {
  return Array.from({ length: 100 }, (_, index) => ({
    identity: identityOf(0x0a000000 + network * 256 + index, 8080, 6),
    weight: weightOf(index),
  }));
}

/** Owner of each slot, as the address. */
export function ownersOf(
  members: readonly TableMember[],
  slots = SLOTS,
  build = referenceTable,
): Uint32Array {
  const table = buildTable(build, members, slots);
  if (table === undefined) throw new Error('nobody has weight');
  return Uint32Array.from(table.owners, (owner) => (members[owner] as TableMember).identity.address[0]);
}

export interface Movement {
  /** Slots that were not the changed backend's, and have another owner now. */
  readonly others: number;
  /** Slots that were not the changed backend's. */
  readonly ofOthers: number;
  readonly changed: number;
}

/** What moved between two tables, apart from what `subject` had. */
export function movement(before: Uint32Array, after: Uint32Array, subject: number): Movement {
  let others = 0;
  let ofOthers = 0;
  let changed = 0;
  before.forEach((owner, slot) => {
    const moved = after[slot] !== owner;
    if (moved) changed += 1;
    if (owner === subject) return;
    ofOthers += 1;
    if (moved) others += 1;
  });
  return { others, ofOthers, changed };
}
