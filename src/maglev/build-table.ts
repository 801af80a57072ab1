/** A service's Maglev table from its backends, in whatever order they come. */
import type { Kernel } from '../kernel/kernel.ts';
import { type BackendIdentity, compareIdentities, hashIdentity } from './backend-identity.ts';
import { slotQuotas } from './quotas.ts';

export interface TableMember {
  readonly identity: BackendIdentity;
  /** 0..100; members of weight 0 get no slot. */
  readonly weight: number;
}

export interface MaglevTable {
  /** By slot: index into the members as they were given. */
  readonly owners: Uint16Array;
  /** By member as given: slots it has. */
  readonly quotas: Uint32Array;
}

/** Quotas by member as given; the order of identities breaks ties, not the order of input. */
export function quotasOf(members: readonly TableMember[], slots: number): Uint32Array {
  const order = identityOrder(members);
  const sorted = slotQuotas(
    order.map((index) => (members[index] as TableMember).weight),
    slots,
  );
  const quotas = new Uint32Array(members.length);
  order.forEach((member, position) => {
    quotas[member] = sorted[position] as number;
  });
  return quotas;
}

/** Undefined when no member has weight. */
export function buildTable(
  build: Kernel['buildMaglevTable'],
  members: readonly TableMember[],
  slots: number,
): MaglevTable | undefined {
  const quotas = quotasOf(members, slots);
  const order = identityOrder(members).filter((index) => quotas[index] !== 0);
  if (order.length === 0) return undefined;
  const hashes = new BigUint64Array(order.length * 2);
  order.forEach((member, position) => {
    hashes.set(hashIdentity((members[member] as TableMember).identity), position * 2);
  });
  const owners = build(
    slots,
    hashes,
    Uint32Array.from(order, (member) => quotas[member] as number),
  );
  // A plain loop: this runs over every slot of every table.
  for (let slot = 0; slot < owners.length; slot++) owners[slot] = order[owners[slot] as number] as number;
  return { owners, quotas };
}

function identityOrder(members: readonly TableMember[]): number[] {
  return members
    .map((_, index) => index)
    .sort((x, y) =>
      compareIdentities((members[x] as TableMember).identity, (members[y] as TableMember).identity),
    );
}
