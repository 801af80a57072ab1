/**
 * Lets go of what windows no longer need: slots flip, remembered flows are forgotten, tracked bits are
 * cleared, windows are closed. To be run every half minute or so, between applies. See docs/consistency.md.
 */
import { isOwnedBy, OWNER } from '../consistency/plan-window.ts';
import { slotsToClear, slotsToFlip, whyForget } from '../consistency/settle-window.ts';
import type { ActualService } from './actual-state.ts';
import { type WalkContext, walkRemembered } from './remembered-flows.ts';
import { Retirement, type RetirementContext } from './retirement.ts';
import { changeSlots, isOver, slotsOf } from './service-window.ts';
import type { TableWord } from './table-word.ts';
import { endWindow } from './track-change.ts';

export interface SettleReport {
  /** Flows that stay remembered, and those that were forgotten. */
  readonly remembered: number;
  readonly forgotten: number;
  /** Slots that flipped by themselves, and tracked bits that were cleared. */
  readonly flipped: number;
  readonly cleared: number;
  readonly closed: number;
  /** Whether a remembered flow names this life of an entry. */
  readonly isNamed: (index: number, generation: number) => boolean;
}

export type SettleContext = WalkContext & RetirementContext;

/** Tables before any of it, so that regions that are not named any more can be retired. */
type Regions = Map<ActualService, readonly TableWord[]>;

export async function settleWindows(context: SettleContext): Promise<SettleReport> {
  const { services, gracePeriod } = context;
  const open = [...services.values()].filter(
    ({ window }) => window.oldest.sizeClass !== 0 || window.tracked > 0,
  );
  const regions: Regions = new Map(open.map((service) => [service, [service.table, service.window.oldest]]));
  let flipped = 0;
  for (const service of open) {
    flipped += flip(context, service);
    await turn();
  }
  // A packet that began before may still be about to remember a flow with a former owner.
  if (open.length > 0) await gracePeriod();
  const used = new Map(
    open.map((service) => [service, new Uint8Array(slotsOf(context.maps, service.table).length)]),
  );
  const walk = await forget(context, used);
  let cleared = 0;
  let closed = 0;
  for (const service of open) {
    cleared += clear(context, service, used.get(service) as Uint8Array);
    if (service.window.tracked === 0) {
      if (service.window.oldest.sizeClass !== 0) endWindow(context, service);
      delete service.window.changedAt;
      closed += 1;
    }
    await turn();
  }
  const retirement = new Retirement();
  for (const [service, before] of regions) retirement.tables(service, before);
  await retirement.run(context);
  return { ...walk, flipped, cleared, closed };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function flip({ maps, stores, clock }: SettleContext, service: ActualService): number {
  const { window, table } = service;
  if (window.oldest.sizeClass === 0) return 0;
  if (isOver(window, clock)) {
    endWindow({ maps, stores }, service);
    return window.tracked;
  }
  const live = slotsOf(maps, table);
  const oldest = slotsOf(maps, window.oldest);
  // An agent that ended between two stores may have left the table in force as that of oldest owners.
  if (
    window.changedAt === undefined ||
    window.oldest.block !== table.block ||
    window.oldest.line === table.line
  ) {
    return 0;
  }
  const slots = slotsToFlip({ live, oldest }, window.changedAt, clock.now(), window.length + clock.hz);
  const owners = new Map(slots.map((slot) => [slot, (live[slot] as number) & OWNER]));
  changeSlots(maps, stores, window.oldest, owners);
  return slots.length;
}

/** Fills `used`: 1 for slots in which a flow stays remembered. */
async function forget(
  context: SettleContext,
  used: ReadonlyMap<ActualService, Uint8Array>,
): Promise<Pick<SettleReport, 'remembered' | 'forgotten' | 'isNamed'>> {
  const named = new Set<number>();
  const tables = new Map([...used.keys()].map((service) => [service, settledSlots(context, service)]));
  let remembered = 0;
  let forgotten = 0;
  await walkRemembered(context, (flow) => {
    const table = flow.service === undefined ? undefined : tables.get(flow.service);
    const why = table === undefined ? 'no table' : whyForget(flow, table.live, table.isSettled);
    if (why !== undefined) {
      context.stores.remove(flow.map, flow.key);
      forgotten += 1;
      return;
    }
    remembered += 1;
    named.add(flow.backend * 0x10000 + flow.generation);
    (used.get(flow.service as ActualService) as Uint8Array)[flow.slot] = 1;
  });
  const isNamed = (index: number, generation: number): boolean => named.has(index * 0x10000 + generation);
  return { remembered, forgotten, isNamed };
}

/** Which slots send what is not remembered to the live owner. */
function settledSlots({ maps }: SettleContext, { table, window }: ActualService) {
  const live = slotsOf(maps, table);
  if (window.oldest.sizeClass === 0) return { live, isSettled: () => true };
  const oldest = slotsOf(maps, window.oldest);
  const isComparable = window.oldest.block === table.block;
  return {
    live,
    isSettled: (slot: number): boolean =>
      isComparable && isOwnedBy(oldest, slot, live.length, (live[slot] as number) & OWNER),
  };
}

function clear(context: SettleContext, service: ActualService, used: Uint8Array): number {
  const { maps, stores } = context;
  const { live, isSettled } = settledSlots(context, service);
  const slots = slotsToClear(live, isSettled, (slot) => used[slot] === 1);
  changeSlots(
    maps,
    stores,
    service.table,
    new Map(slots.map((slot) => [slot, (live[slot] as number) & OWNER])),
  );
  service.window.tracked -= slots.length;
  return slots.length;
}
