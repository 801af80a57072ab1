/**
 * Values that no version may change: nodes of different versions have to agree on them. The files were
 * written once by `npx tsx test/golden/write-golden.ts`; writing them anew breaks running fleets.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { hashIdentity, identityOfIpv4 } from '../../../src/maglev/backend-identity.ts';
import { flowHash, slotOf } from '../../../src/maglev/flow-hash.ts';
import type { FlowVectors, TableVectors } from '../../golden/write-golden.ts';
import { goldenTable } from '../../golden/write-golden.ts';
import { referenceTable } from '../../model/maglev-reference.ts';

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../golden/${name}.json`, import.meta.url), 'utf8')) as T;
}

test('the flow hash', () => {
  const { vectors } = read<FlowVectors>('flow-hash');
  expect(vectors.length).toBeGreaterThan(20);
  for (const { seed, flow, hash, slots } of vectors) {
    expect(flowHash(flow, BigInt(seed))).toBe(hash);
    for (const [size, slot] of Object.entries(slots)) expect(slotOf(hash, Number(size))).toBe(slot);
  }
});

test('identities and tables', () => {
  const { identities, tables } = read<TableVectors>('maglev-table');
  for (const { address, port, protocol, words } of identities) {
    const [offset, skip] = hashIdentity(identityOfIpv4(address, port, protocol));
    expect([offset, skip].map(String)).toEqual(words);
  }
  expect(tables.length).toBeGreaterThan(3);
  for (const table of tables) {
    expect(goldenTable(referenceTable, table.slots, table.weights)).toEqual(table);
  }
});
