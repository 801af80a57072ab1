/**
 * How a window ends: slots flip one by one when their last change is a window ago, remembered flows that
 * are not needed are forgotten, and a slot without any is an ordinary one again. Pure.
 *
 * The programs flip a service as a whole, by the clock, when its *last* change is a window ago; that
 * needs no agent. Under changes that never stop this would never come, so the agent lets go of single
 * slots earlier, by making their present owner the oldest one too: from there on the programs send there
 * whatever is not remembered.
 */
import { OWNER, TRACKED } from './plan-window.ts';

/** `now - then` modulo 2^32; 0 when `then` is later, as a packet may be newer than a clock that was read. */
export function ageOf(now: number, then: number): number {
  const age = (now - then) >>> 0;
  return age < 0x80000000 ? age : 0;
}

export interface OpenWindow {
  /** The live table with tracked bits. */
  readonly live: Uint16Array;
  /** Undefined: all of it has flipped. Owners are numbered as in `live`. */
  readonly oldest: Uint16Array | undefined;
}

/**
 * Slots of `oldest` to which the present owner is to be written, because their last change is more than a
 * window ago. Tables of different sizes flip as a whole only. changedAt: jiffies by slot of the live table.
 */
export function slotsToFlip(
  { live, oldest }: OpenWindow,
  changedAt: Uint32Array,
  now: number,
  window: number,
): number[] {
  if (oldest === undefined || oldest.length !== live.length) return [];
  const flips: number[] = [];
  for (let slot = 0; slot < live.length; slot++) {
    const word = live[slot] as number;
    if ((word & TRACKED) === 0 || ((oldest[slot] as number) & OWNER) === (word & OWNER)) continue;
    if (ageOf(now, changedAt[slot] as number) > window) flips.push(slot);
  }
  return flips;
}

/** A remembered flow, or a client of a service with affinity. */
export interface RememberedFlow {
  /** Slot of the live table that its hash names. */
  readonly slot: number;
  /** Its backend's number as in the tables; undefined: it is not there any more. */
  readonly owner: number | undefined;
  /** Jiffies since a packet was seen. */
  readonly idle: number;
  /** Jiffies after which a flow in its state is given up. */
  readonly timeout: number;
}

/** Why a remembered flow is forgotten; undefined: it is kept. */
export type ForgetReason = 'backend gone' | 'idle' | 'slot not tracked' | 'with the live owner';

/** settled: the slot has flipped, so that what is not remembered goes to the live owner. */
export function whyForget(
  flow: RememberedFlow,
  live: Uint16Array,
  settled: (slot: number) => boolean,
): ForgetReason | undefined {
  const word = live[flow.slot] as number;
  if (flow.owner === undefined) return 'backend gone';
  if ((word & TRACKED) === 0) return 'slot not tracked';
  if (flow.idle > flow.timeout) return 'idle';
  return flow.owner === (word & OWNER) && settled(flow.slot) ? 'with the live owner' : undefined;
}

/** Tracked slots that have flipped and in which no flow is remembered: their bits are cleared. */
export function slotsToClear(
  live: Uint16Array,
  settled: (slot: number) => boolean,
  remembered: (slot: number) => boolean,
): number[] {
  const clear: number[] = [];
  for (let slot = 0; slot < live.length; slot++) {
    if (((live[slot] as number) & TRACKED) === 0) continue;
    if (settled(slot) && !remembered(slot)) clear.push(slot);
  }
  return clear;
}
