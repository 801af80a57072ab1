/** Backends of the simulated service, and its tables by the product's own code. */
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { identityOf } from '../../../src/maglev/backend-identity.ts';
import { buildTable, type TableMember } from '../../../src/maglev/build-table.ts';

const IPPROTO_TCP = 6;

export interface BackendSet {
  /** Take new connections: the table's members. In ascending order. */
  readonly active: readonly number[];
  /** Keep the connections they have, and get no new ones. */
  readonly draining: readonly number[];
}

/** Owners by slot, as numbers of backends. */
export type TableOf = (active: readonly number[], slots: number) => Uint16Array;

/** Remembers what it built, as every node and scheme asks for the same tables. */
export function tablesBy(kernel: Pick<Kernel, 'buildMaglevTable'>): TableOf {
  const built = new Map<string, Uint16Array>();
  return (active, slots) => {
    const wish = `${slots} ${active.join()}`;
    const known = built.get(wish);
    if (known !== undefined) return known;
    const members = active.map((backend): TableMember => {
      return { identity: identityOf(0x0a030001 + backend, 8080, IPPROTO_TCP), weight: 1 };
    });
    const table = buildTable((...args) => kernel.buildMaglevTable(...args), members, slots);
    if (table === undefined) throw new Error('a table needs a backend');
    const owners = table.owners.map((member) => active[member] as number);
    built.set(wish, owners);
    return owners;
  };
}
