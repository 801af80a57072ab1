/** Counters as if packets had come. */
import { trafficRow } from '../../../src/dataplane/traffic-counters.ts';
import { backend, backendState } from '../../../src/layout/generated.ts';
import type { FakeKernel } from './fake-kernel.ts';

export const PACKETS_EACH = 100;

/** Every backend that is there counts so many packets in, most of them on the last CPU. */
export function carryTraffic(kernel: FakeKernel): void {
  const { backends, traffic_in: counters } = kernel.maps.arrays;
  const last = (kernel.possibleCpus - 1) * trafficRow(backends.entries);
  const count = (place: number, packets: number): void => {
    const at = place * counters.stride;
    counters.view.setBigUint64(at, counters.view.getBigUint64(at, true) + BigInt(packets), true);
  };
  for (let index = 0; index < backends.entries; index++) {
    if (backend.read(backends.view, index * backends.stride).state === backendState.BACKEND_FREE) continue;
    count(index, 1);
    count(last + index, PACKETS_EACH - 1);
  }
}
