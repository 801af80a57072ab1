import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BpfMap, LoadedObject } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { compileProgram, u32, u64 } from './sample-object.ts';

const kernel = openKernel();
let sample: LoadedObject;
const map = (name: string): BpfMap => {
  const found = sample.maps.get(name);
  if (!found) throw new Error(`no map ${name}`);
  return found;
};
const run = (length = 64) => kernel.testRun(sample.programFd, { data: new Uint8Array(length).fill(1) }).data;

beforeAll(() => {
  const objectPath = compileProgram('sample');
  sample = kernel.loadObject({ objectPath, programName: 'sample', rodata: { counted: u32(599) } });
});
afterAll(() => sample.close());

describe('single entries', () => {
  it('are written, read and deleted', () => {
    const table = map('table');
    expect(kernel.lookup(table, u32(5, 6))).toBeUndefined();
    kernel.update(table, u32(5, 6), u64(1n));
    expect(kernel.lookup(table, u32(5, 6))?.readBigUInt64LE()).toBe(1n);
    expect(kernel.delete(table, u32(5, 6))).toBe(true);
    expect(kernel.delete(table, u32(5, 6))).toBe(false);
  });

  it('honour the flags of an update', () => {
    const table = map('table');
    kernel.delete(table, u32(7, 7));
    expect(() => kernel.update(table, u32(7, 7), u64(1n), 2)).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
    kernel.update(table, u32(7, 7), u64(1n), 1);
    expect(() => kernel.update(table, u32(7, 7), u64(1n), 1)).toThrow(
      expect.objectContaining({ code: 'EEXIST', message: expect.stringContaining('map table') }),
    );
    kernel.delete(table, u32(7, 7));
  });

  it('of another size never reach the kernel', () => {
    expect(() => kernel.lookup(map('table'), u32(1))).toThrow('map table has a key of 8 bytes, not 4');
    expect(() => kernel.update(map('table'), u32(1, 2), u32(1))).toThrow('value of 8 bytes, not 4');
  });

  it('leave the memory of the process alone, over many thousand calls', () => {
    const table = map('table');
    const key = u32(8, 8);
    kernel.update(table, key, u64(1n));
    const lookups = (count: number) => {
      for (let i = 0; i < count; i++) kernel.lookup(table, key);
      global.gc?.();
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
    };
    lookups(10_000);
    const before = lookups(10_000);
    // ffi-napi's own calls keep 90 bytes each for ever, and 5 KB without a turn of the event loop:
    // 50 MB for 10,000 calls. The garbage collector's own swing is a few.
    expect(lookups(10_000) - before).toBeLessThan(16_000);
  });
});

describe('all entries of a hash map', () => {
  it('come once each, over several batches', () => {
    const table = map('table');
    for (const { key } of kernel.entries(table)) kernel.delete(table, key);
    expect(kernel.entries(table)).toEqual([]);
    const count = 10_000;
    for (let i = 0; i < count; i++) kernel.update(table, u32(i, 0), u64(BigInt(i) * 3n));
    const entries = kernel.entries(table);
    expect(entries).toHaveLength(count);
    const seen = new Map(entries.map(({ key, value }) => [key.readUInt32LE(), value.readBigUInt64LE()]));
    expect(seen.size).toBe(count);
    expect(seen.get(0)).toBe(0n);
    expect(seen.get(9_999)).toBe(29_997n);
  });
});

describe('memory of a mappable array', () => {
  it('is what programs read', () => {
    const memory = kernel.mapMemory(map('words'), 'write');
    expect(memory).toHaveLength(700 * 16);
    kernel.storeU64(memory, 0, 0xfedcba9876543210n);
    expect(run().readBigUInt64LE()).toBe(0xfedcba9876543210n);
    expect(kernel.loadU64(memory, 0)).toBe(0xfedcba9876543210n);
    expect(kernel.lookup(map('words'), u32(0))?.readBigUInt64LE()).toBe(0xfedcba9876543210n);
  });

  it('shows entry i at i times the value size', () => {
    const words = map('words');
    kernel.update(words, u32(699), u64(3n, 4n));
    const memory = kernel.mapMemory(words, 'read');
    expect(kernel.loadU64(memory, 699 * 16 + 8)).toBe(4n);
    expect(kernel.mapMemory(words, 'read')).toBe(memory);
  });

  it('refuses words beside it or across two', () => {
    const memory = kernel.mapMemory(map('words'), 'write');
    for (const offset of [4, -8, 700 * 16, Number.NaN]) {
      expect(() => kernel.storeU64(memory, offset, 1n)).toThrow(RangeError);
      expect(() => kernel.loadU64(memory, offset)).toThrow(RangeError);
    }
  });

  it('is refused for a map that cannot be mapped', () => {
    expect(() => kernel.mapMemory(map('table'), 'read')).toThrow('map table cannot be mapped');
  });
});

describe('per-CPU counters', () => {
  it('are summed over all CPUs, at the end of the map too', () => {
    const counters = map('counters');
    const values = Array.from({ length: kernel.possibleCpus }, (_, cpu) => [BigInt(cpu + 1), 100n]).flat();
    kernel.update(counters, u32(598), u64(...values));
    const cpus = BigInt(kernel.possibleCpus);
    kernel.clearPerCpu(counters, 599, 1);
    run(64);
    run(100);
    expect(Array.from(kernel.sumPerCpu(counters, 598, 2))).toEqual([
      (cpus * (cpus + 1n)) / 2n,
      cpus * 100n,
      2n,
      164n,
    ]);
    const all = kernel.sumPerCpu(counters, 0, 600);
    expect(all).toHaveLength(1200);
    expect(Array.from(all.subarray(0, 1196)).every((word) => word === 0n)).toBe(true);
    expect(Array.from(all.subarray(1196))).toEqual(Array.from(kernel.sumPerCpu(counters, 598, 2)));
  });

  it('are cleared, and nothing beside them', () => {
    const counters = map('counters');
    const one = u64(...Array.from({ length: kernel.possibleCpus * 2 }, () => 1n));
    for (let i = 0; i < 600; i++) kernel.update(counters, u32(i), one);
    kernel.clearPerCpu(counters, 1, 598);
    const cpus = BigInt(kernel.possibleCpus);
    const sums = Array.from(kernel.sumPerCpu(counters, 0, 600));
    expect(sums.slice(0, 3)).toEqual([cpus, cpus, 0n]);
    expect(sums.slice(-3)).toEqual([0n, cpus, cpus]);
    expect(sums.slice(2, -2).every((word) => word === 0n)).toBe(true);
  });

  it('beyond the map are refused', () => {
    expect(() => kernel.sumPerCpu(map('counters'), 599, 2)).toThrow('entries 599 to 600 of map counters');
    expect(() => kernel.sumPerCpu(map('words'), 0, 1)).toThrow('map words is no per-CPU array');
  });
});

describe('a grace period', () => {
  it('ends, and the event loop turns meanwhile', async () => {
    let turns = 0;
    let ended = false;
    const count = () => {
      turns++;
      if (!ended) setImmediate(count);
    };
    setImmediate(count);
    await kernel.gracePeriod();
    ended = true;
    expect(turns).toBeGreaterThan(0);
  });

  it('may be waited for by many at once', async () => {
    await expect(Promise.all(Array.from({ length: 8 }, () => kernel.gracePeriod()))).resolves.toHaveLength(8);
  });
});
