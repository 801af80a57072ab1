import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { slotQuotas } from '../../src/maglev/quotas.ts';
import { referenceTable } from '../model/maglev-reference.ts';

const kernel = openKernel();

function hashesOf(names: readonly number[]): BigUint64Array {
  return BigUint64Array.from(
    names.flatMap((name) => {
      const digest = createHash('sha256').update(`backend ${name}`).digest();
      return [digest.readBigUInt64LE(0), digest.readBigUInt64LE(8)];
    }),
  );
}

/** Share of the slots, of those that backend `removed` does not have, that change their owner. */
function movedWithout(removed: number, backends: number, weight: (index: number) => number, slots: number) {
  const names = Array.from({ length: backends }, (_, index) => index);
  const build = (members: readonly number[]) => {
    const table = kernel.buildMaglevTable(slots, hashesOf(members), slotQuotas(members.map(weight), slots));
    return Array.from(table, (index) => members[index]);
  };
  const before = build(names);
  const after = build(names.filter((name) => name !== removed));
  const others = before.flatMap((owner, slot) => (owner === removed ? [] : [slot]));
  return others.filter((slot) => before[slot] !== after[slot]).length / others.length;
}

describe('a Maglev table', () => {
  it('is the one of the reference, slot by slot', () => {
    const arbitrary = fc.record({
      slots: fc.constantFrom(5, 251, 1021),
      backends: fc.array(
        fc.record({
          hashes: fc.tuple(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 64n - 1n)),
          weight: fc.nat(100),
        }),
        {
          minLength: 1,
          maxLength: 40,
        },
      ),
    });
    fc.assert(
      fc.property(arbitrary, ({ slots, backends }) => {
        const quotas = slotQuotas(
          backends.map(({ weight }) => weight),
          slots,
        );
        fc.pre(quotas.some((quota) => quota > 0));
        const hashes = BigUint64Array.from(backends.flatMap(({ hashes }) => hashes));
        const table = kernel.buildMaglevTable(slots, hashes, quotas);
        expect(table).toEqual(referenceTable(slots, hashes, quotas));
      }),
      { numRuns: 200 },
    );
  });

  it('gives each backend its quota, however uneven', () => {
    const slots = 131_071;
    const quotas = Uint32Array.from({ length: 32_767 }, (_, index) => (index === 0 ? slots - 32_766 : 1));
    const table = kernel.buildMaglevTable(slots, hashesOf(Array.from(quotas.keys())), quotas);
    const slotsOf = new Uint32Array(quotas.length);
    for (const owner of table) slotsOf[owner] = (slotsOf[owner] ?? 0) + 1;
    expect(slotsOf).toEqual(quotas);
  });

  it.each([
    ['equal weights', () => 1],
    ['weights of 1, 5, 10 and 100', (index: number) => [1, 5, 10, 100][index % 4] as number],
  ])('moves at most 1 %% of the others when one of 100 goes: %s', (_, weight) => {
    for (const removed of [0, 50, 99]) expect(movedWithout(removed, 100, weight, 65_537)).toBeLessThan(0.01);
  });

  it('is refused when the quotas do not sum to its slots', () => {
    expect(() => kernel.buildMaglevTable(251, hashesOf([1, 2]), Uint32Array.of(125, 125))).toThrow(
      'a sum of 250',
    );
    expect(() => kernel.buildMaglevTable(251, hashesOf([1]), Uint32Array.of(125, 126))).toThrow('2 hashes');
  });
});
