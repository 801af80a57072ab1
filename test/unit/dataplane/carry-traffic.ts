/** Counters as if packets had come. */
import { backend, backendState } from '../../../src/layout/generated.ts';
import type { FakeKernel } from './fake-kernel.ts';

const WORDS = 8;
export const PACKETS_EACH = 100;

/** Every backend that is there counts so many packets in. */
export function carryTraffic(kernel: FakeKernel): void {
  const { view, stride, entries } = kernel.maps.arrays.backends;
  kernel.counters.backend_counters ??= {};
  const counters = kernel.counters.backend_counters;
  for (let index = 0; index < entries; index++) {
    if (backend.read(view, index * stride).state === backendState.BACKEND_FREE) continue;
    counters[index * WORDS] = (counters[index * WORDS] ?? 0n) + BigInt(PACKETS_EACH);
  }
}
