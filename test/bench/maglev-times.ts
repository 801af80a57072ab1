/** How long the product takes to build a Maglev table. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { identityOf } from '../../src/maglev/backend-identity.ts';
import { buildTable, type TableMember } from '../../src/maglev/build-table.ts';
import type { MaglevResult } from './report.ts';
import { median } from './statistics.ts';

const IPPROTO_TCP = 6;

const SIZES = [
  { slots: 65537, backends: 1000 },
  { slots: 4099, backends: 10 },
  { slots: 65537, backends: 100 },
] as const;

function members(count: number): TableMember[] {
  return Array.from({ length: count }, (_, n) => ({
    identity: identityOf(0x0a030001 + n, 8080, IPPROTO_TCP),
    weight: 1,
  }));
}

/** Milliseconds, median of the rounds: identities, quotas, order, and the table. */
export function measureMaglev(kernel: Kernel, rounds: number): MaglevResult[] {
  return SIZES.map(({ slots, backends }) => {
    const given = members(backends);
    const once = (): number => {
      const from = process.hrtime.bigint();
      const table = buildTable((...args) => kernel.buildMaglevTable(...args), given, slots);
      const took = Number(process.hrtime.bigint() - from) / 1e6;
      if (table?.owners.length !== slots) throw new Error(`the table has not ${slots} slots`);
      return took;
    };
    for (let n = 0; n < 3; n++) once();
    const samples = Array.from({ length: Math.max(5, rounds) }, once);
    return { slots, backends, ms: Math.round(median(samples) * 1000) / 1000 };
  });
}
