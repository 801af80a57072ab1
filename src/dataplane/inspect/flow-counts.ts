/** How many flows are alive, in one pass over the mapped records, which packets change meanwhile. */
import { flowRecord, flowState } from '../../layout/generated.ts';
import type { MappedArray } from '../maps.ts';

export interface FlowCounts {
  /** By index of the backend entry: flows that name its present life. */
  readonly byBackend: Uint32Array;
  readonly active: number;
  /** Records that are not available: alive, or holding their port. */
  readonly used: number;
}

/** Records; a fraction of a millisecond. */
const AT_A_TIME = 4096;

/**
 * A flow is alive when it is neither free, claimed nor closed, and its last packet is not older than its
 * timeout. generations: of the backend entries, by index. timeouts: jiffies by flow state; a state without
 * one never ends. now: low 32 bits of jiffies.
 */
export function* countFlows(
  records: MappedArray,
  generations: Uint16Array,
  timeouts: readonly number[],
  now: number,
): Generator<void, FlowCounts> {
  const { state, seen, backend, backendGeneration } = flowRecord.offsets;
  const byBackend = new Uint32Array(generations.length);
  const { view, memory, stride, entries } = records;
  let active = 0;
  let used = 0;
  for (let record = 0, at = 0; record < entries; record++, at += stride) {
    if (record % AT_A_TIME === 0) yield;
    const flow = memory[at + state] as number;
    if (flow === flowState.FLOW_FREE) continue;
    if (isExpired(view.getUint32(at + seen, true), timeouts[flow], now)) continue;
    used += 1;
    if (flow === flowState.FLOW_CLAIMED || flow === flowState.FLOW_CLOSED) continue;
    active += 1;
    const index = view.getUint32(at + backend, true);
    if (generations[index] === view.getUint16(at + backendGeneration, true)) {
      byBackend[index] = (byBackend[index] as number) + 1;
    }
  }
  return { byBackend, active, used };
}

/** Ages are modulo 2^32; one of more than half of that is a packet newer than `now`. */
export function isExpired(seen: number, timeout: number | undefined, now: number): boolean {
  const age = (now - seen) >>> 0;
  return timeout !== undefined && age > timeout && age < 0x80000000;
}
