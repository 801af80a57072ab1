/** The answers' tuples, read from the records of the flows that the program itself made. */
import type { DataplaneMaps } from '../../src/dataplane/maps.ts';
import { backend, flowFlag, flowRecord, flowState } from '../../src/layout/generated.ts';
import { scatter, type Tuple, type TupleList } from './tuples.ts';

/**
 * What each live flow's backend answers with. snatFirst: the first SNAT address, of one range. Throws if
 * there are not exactly `count` flows.
 */
export function answerTuples(maps: DataplaneMaps, snatFirst: number, count: number): Tuple[] {
  const { flow_records: records, backends } = maps.arrays;
  const found: Tuple[] = [];
  for (let index = 0; index < records.entries; index++) {
    const at = index * records.stride;
    const state = records.view.getUint8(at + flowRecord.offsets.state);
    const flags = records.view.getUint8(at + flowRecord.offsets.flags);
    if (state <= flowState.FLOW_CLAIMED || (flags & flowFlag.FLOW_F_DETACHED) !== 0) continue;
    const record = flowRecord.read(records.view, at);
    const target = backend.read(backends.view, record.backend * backends.stride);
    found.push({
      source: target.addr[0] as number,
      sourcePort: target.port,
      destination: snatFirst + record.snatIndex,
      destinationPort: record.snatPort,
    });
  }
  if (found.length !== count) throw new Error(`${found.length} flows are alive, not ${count}`);
  return found;
}

/** The tuples in an order without pattern for caches; their number is a power of two. */
export function scattered(tuples: readonly Tuple[]): TupleList {
  return { count: tuples.length, at: (n) => tuples[scatter(n, tuples.length)] as Tuple };
}
