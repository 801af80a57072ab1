/** Rows of CPUs: summed exactly, apart from their neighbours, and cleared alone. */
import { expect, test } from 'vitest';
import { kernelStores } from '../../../src/dataplane/stores.ts';
import { clearTraffic, sumTraffic, trafficRow } from '../../../src/dataplane/traffic-counters.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { trafficCounters, trafficIn, trafficOut } from '../../../src/layout/generated.ts';
import { FakeKernel } from './fake-kernel.ts';

const BACKENDS = 13;
const HUGE = 2n ** 48n + 2n ** 32n - 1n;

/** Every word of every CPU and backend has a value of its own, and the first backend's are large. */
function counted() {
  const kernel = new FakeKernel({ backends: BACKENDS });
  const { traffic_in: ofIn, traffic_out: ofOut } = kernel.maps.arrays;
  const value = (cpu: number, index: number, word: number) =>
    (index === 0 ? HUGE : 0n) + BigInt(1000 * cpu + 10 * index + word + 1);
  for (let cpu = 0; cpu < kernel.possibleCpus; cpu++) {
    for (let index = 0; index < BACKENDS; index++) {
      const place = cpu * trafficRow(BACKENDS) + index;
      const [packetsIn, bytesIn, packetsOut, bytesOut, flows] = [0, 1, 2, 3, 4].map((word) =>
        value(cpu, index, word),
      ) as [bigint, bigint, bigint, bigint, bigint];
      trafficIn.write(ofIn.view, place * ofIn.stride, { packetsIn, bytesIn });
      trafficOut.write(ofOut.view, place * ofOut.stride, { packetsOut, bytesOut, flows, reserved: 0n });
    }
  }
  const sum = (index: number) => {
    const [packetsIn, bytesIn, packetsOut, bytesOut, flows] = [0, 1, 2, 3, 4].map((word) =>
      Array.from({ length: kernel.possibleCpus }, (_, cpu) => value(cpu, index, word)).reduce(
        (x, y) => x + y,
      ),
    );
    return { packetsIn, bytesIn, packetsOut, bytesOut, flows, folded: 0n };
  };
  return { kernel, sum };
}

const read = (words: BigUint64Array, index: number) =>
  trafficCounters.read(new DataView(words.buffer), index * trafficCounters.size);

test('the CPUs of a backend are added up, above 32 bits too', () => {
  const { kernel, sum } = counted();
  const words = sumTraffic(kernel.maps, 0, BACKENDS);
  for (let index = 0; index < BACKENDS; index++) expect(read(words, index)).toMatchObject(sum(index));
  const part = sumTraffic(kernel.maps, 3, 2);
  expect(part.length).toBe(2 * 8);
  expect(read(part, 1)).toMatchObject(sum(4));
});

test('clearing takes one backend on all CPUs, and nobody else', () => {
  const { kernel, sum } = counted();
  clearTraffic(kernel.maps, kernelStores(kernel as unknown as Kernel), 4);
  const words = sumTraffic(kernel.maps, 0, BACKENDS);
  const zero = { packetsIn: 0n, bytesIn: 0n, packetsOut: 0n, bytesOut: 0n, flows: 0n };
  for (let index = 0; index < BACKENDS; index++) {
    expect(read(words, index)).toMatchObject(index === 4 ? zero : sum(index));
  }
});

test('rows of CPUs share no cache line', () => {
  for (const entries of [1, 64, 65, 2000, 32_768]) {
    expect(trafficRow(entries)).toBeGreaterThanOrEqual(entries);
    expect((trafficRow(entries) * trafficIn.size) % 64).toBe(0);
    expect(trafficRow(entries) - entries).toBeLessThan(8);
  }
});
