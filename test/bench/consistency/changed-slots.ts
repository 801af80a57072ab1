/**
 * Figure 12 of the Maglev paper (Eisenbud et al., NSDI 2016) for the product's tables: how many slots of
 * backends that stay change their owner when several backends fail at once.
 */
import type { TableOf } from './backend-set.ts';
import { mix } from './simulate.ts';

export interface ChangedSlots {
  readonly slots: number;
  readonly backends: number;
  readonly failed: number;
  /** Share of all slots, mean of the rounds: of backends that stay, and nevertheless another's now. */
  readonly changed: number;
}

export const FAILED_SHARES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5] as const;

export const TABLES = [
  { slots: 4099, backends: 100 },
  { slots: 65537, backends: 100 },
  { slots: 65537, backends: 1000 },
  { slots: 131071, backends: 1000 },
] as const;

export function changedSlots(
  tableOf: TableOf,
  { slots, backends }: { readonly slots: number; readonly backends: number },
  share: number,
  rounds: number,
): ChangedSlots {
  const all = Array.from({ length: backends }, (_, n) => n);
  const before = tableOf(all, slots);
  const failed = Math.max(1, Math.round(backends * share));
  let sum = 0;
  for (let round = 0; round < rounds; round++) {
    const order = [...all].sort((x, y) => mix(x, round + 1) - mix(y, round + 1));
    const gone = new Set(order.slice(0, failed));
    const after = tableOf(
      all.filter((backend) => !gone.has(backend)),
      slots,
    );
    before.forEach((owner, slot) => {
      if (!gone.has(owner) && after[slot] !== owner) sum += 1;
    });
  }
  return { slots, backends, failed, changed: sum / rounds / slots };
}
