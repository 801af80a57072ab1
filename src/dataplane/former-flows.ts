/** Which backend entries flows still need, by a walk over the records. */
import { flowRecord, flowState } from '../layout/generated.ts';
import type { MappedArray } from './maps.ts';

/**
 * Whether a record that is alive names this life of the entry. timeouts: jiffies by flow state; now: low
 * 32 bits of jiffies.
 */
export function namedBackends(
  records: MappedArray,
  timeouts: readonly number[],
  now: number,
): (index: number, generation: number) => boolean {
  const { state, seen, backend, backendGeneration } = flowRecord.offsets;
  const { view, stride, entries, memory } = records;
  const named = new Set<number>();
  for (let record = 0, at = 0; record < entries; record++, at += stride) {
    const flow = memory[at + state] as number;
    if (flow === flowState.FLOW_FREE) continue;
    const age = (now - view.getUint32(at + seen, true)) >>> 0;
    // A packet may have come after `now` was read: its age is "negative".
    if (age > (timeouts[flow] ?? 0) && age < 0x80000000) continue;
    named.add(view.getUint32(at + backend, true) * 0x10000 + view.getUint16(at + backendGeneration, true));
  }
  return (index, generation) => named.has(index * 0x10000 + generation);
}
