/** A service's Maglev table from its backends, in whatever order they come. */
import type { Kernel } from '../kernel/kernel.ts';
import { type BackendIdentity, compareIdentities } from './backend-identity.ts';
import { hashIdentities } from './hash-identity.ts';
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
  return quotasInOrder(members, identityOrder(members), slots);
}

/** Undefined when no member has weight. */
export function buildTable(
  build: Kernel['buildMaglevTable'],
  members: readonly TableMember[],
  slots: number,
): MaglevTable | undefined {
  const all = identityOrder(members);
  const quotas = quotasInOrder(members, all, slots);
  const order = all.filter((index) => quotas[index] !== 0);
  if (order.length === 0) return undefined;
  const owners = build(
    slots,
    hashIdentities(order.map((member) => (members[member] as TableMember).identity)),
    Uint32Array.from(order, (member) => quotas[member] as number),
  );
  // Members mostly come in order already, and this would run over every slot of every table.
  if (order.some((member, position) => member !== position)) renameOwners(owners, Uint16Array.from(order));
  return { owners, quotas };
}

function renameOwners(owners: Uint16Array, names: Uint16Array): void {
  for (let slot = 0; slot < owners.length; slot++) owners[slot] = names[owners[slot] as number] as number;
}

function quotasInOrder(
  members: readonly TableMember[],
  order: readonly number[],
  slots: number,
): Uint32Array {
  const weights = order.map((index) => (members[index] as TableMember).weight);
  const sorted = slotQuotas(weights, slots);
  const quotas = new Uint32Array(members.length);
  order.forEach((member, position) => {
    quotas[member] = sorted[position] as number;
  });
  return quotas;
}

function identityOrder(members: readonly TableMember[]): number[] {
  return members
    .map((_, index) => index)
    .sort((x, y) =>
      compareIdentities((members[x] as TableMember).identity, (members[y] as TableMember).identity),
    );
}
