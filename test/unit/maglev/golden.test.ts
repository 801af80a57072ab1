/**
 * Values that no version may change: nodes of different versions have to agree on them. The files were
 * written once by `npx tsx test/golden/write-golden.ts`; writing them anew breaks running fleets.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { identityOf } from '../../../src/maglev/backend-identity.ts';
import { flowHash, slotOf } from '../../../src/maglev/flow-hash.ts';
import { hashIdentity } from '../../../src/maglev/hash-identity.ts';
import type { FlowVectors, IdentityVectors, PartVectors, TableVectors } from '../../golden/write-golden.ts';
import { addressOf, goldenTable } from '../../golden/write-golden.ts';
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

test('the flow hash of IPv6, and of less than the tuple', () => {
  const { vectors } = read<PartVectors>('flow-hash-parts');
  expect(vectors.length).toBeGreaterThan(60);
  for (const { seed, flow, part, hash } of vectors) {
    const tuple = { ...flow, client: addressOf(flow.client), vip: addressOf(flow.vip) };
    expect(flowHash(tuple, BigInt(seed), part)).toBe(hash);
  }
});

test('identities of IPv6', () => {
  const { identities } = read<IdentityVectors>('identity-ipv6');
  expect(new Set(identities.flatMap(({ words }) => words)).size).toBe(2 * identities.length);
  for (const { address, port, protocol, words } of identities) {
    expect(hashIdentity(identityOf(addressOf(address), port, protocol)).map(String)).toEqual(words);
  }
});

test('identities and tables', () => {
  const { identities, tables } = read<TableVectors>('maglev-table');
  for (const { address, port, protocol, words } of identities) {
    const [offset, skip] = hashIdentity(identityOf(address, port, protocol));
    expect([offset, skip].map(String)).toEqual(words);
  }
  expect(tables.length).toBeGreaterThan(3);
  for (const table of tables) {
    expect(goldenTable(referenceTable, table.slots, table.weights)).toEqual(table);
  }
});

test('the identity hash in halves is the one in whole words', () => {
  const word = 0xffffffffffffffffn;
  const seed = 0x9e3779b97f4a7c15n;
  const mix = (value: bigint): bigint => {
    let h = value & word;
    h ^= h >> 33n;
    h = (h * 0xff51afd7ed558ccdn) & word;
    h ^= h >> 33n;
    h = (h * 0xc4ceb9fe1a85ec53n) & word;
    return h ^ (h >> 33n);
  };
  const u32 = fc.oneof(fc.constantFrom(0, 1, 0xffff, 0x10000, 0x80000000, 0xffffffff), fc.nat(0xffffffff));
  const address = fc.tuple(u32, u32, u32, u32);
  const u16 = fc.nat(0xffff);
  fc.assert(
    fc.property(address, u16, fc.nat(255), fc.constantFrom(4, 6), (words, port, protocol, family) => {
      const [a, b, c, d] = words.map(BigInt) as [bigint, bigint, bigint, bigint];
      let state = mix(seed ^ BigInt(port * 0x10000 + protocol * 0x100 + family));
      state = mix(state ^ ((a << 32n) | b));
      state = mix(state ^ ((c << 32n) | d));
      const expected = [mix(state + seed), mix(state + 2n * seed)];
      expect(hashIdentity({ address: words, port, protocol, family })).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});
