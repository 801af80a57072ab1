import { describe, expect, it } from 'vitest';
import { buildProduct } from '../../src/kernel/build-directory.ts';
import { KernelError } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { type LbConfig, lbConfig } from '../../src/layout/generated.ts';
import { compileProgram, u32 } from './sample-object.ts';

const kernel = openKernel();
const objectPath = compileProgram('sample');
const sample = { objectPath, programName: 'sample' };

/** One VIP range, one SNAT address. */
function smallConfig(): LbConfig {
  const config = lbConfig.decode(new Uint8Array(lbConfig.size));
  config.vip4[0] = { network: 0x0a010000, mask: 0xffffff00 };
  config.snat4[0] = { first: 0x0a020001, count: 1, firstIndex: 0, own: 0 };
  return {
    ...config,
    vip4Count: 1,
    snat4Count: 1,
    snatAddresses: 1,
    snatPortMin: 1024,
    snatPortMax: 65535,
    extraRecords: 4096,
    bucketMask: 16383,
    clientNextHopsFirst: 4096,
    clientNextHopsMask: 4095,
    hz: 250,
  };
}

function errorOf(call: () => unknown): KernelError {
  try {
    call();
  } catch (error) {
    if (error instanceof KernelError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('loading', () => {
  it('loads the programs of the product with their maps', () => {
    for (const [file, programName] of [
      ['xdp.bpf.o', 'lb_xdp'],
      ['tc.bpf.o', 'lb_tc'],
    ] as const) {
      const loaded = kernel.loadObject({
        objectPath: buildProduct(file),
        programName,
        rodata: { config: lbConfig.encode(smallConfig()) },
      });
      expect(loaded.programId).toBeGreaterThan(0);
      expect(loaded.verifiedInstructions).toBeGreaterThan(500);
      expect(loaded.maps.get('services')).toMatchObject({ name: 'services', keySize: 4, valueSize: 64 });
      expect(Array.from(loaded.maps.keys()).filter((name) => name.includes('.'))).toEqual([]);
      loaded.close();
    }
  });

  it('sets constants, and only the ones that are given', () => {
    const loaded = kernel.loadObject({ ...sample, rodata: { verdict: u32(2) } });
    expect(kernel.testRun(loaded.programFd, { data: new Uint8Array(64) }).returnValue).toBe(2);
    loaded.close();
    const unchanged = kernel.loadObject(sample);
    expect(kernel.testRun(unchanged.programFd, { data: new Uint8Array(64) }).returnValue).toBe(1);
    unchanged.close();
  });

  it('sizes maps', () => {
    const loaded = kernel.loadObject({ ...sample, maxEntries: { words: 5, table: 9 } });
    expect(loaded.maps.get('words')?.maxEntries).toBe(5);
    expect(loaded.maps.get('table')?.maxEntries).toBe(9);
    expect(loaded.maps.get('counters')?.maxEntries).toBe(600);
    loaded.close();
  });

  it('takes maps that are handed over', () => {
    const first = kernel.loadObject(sample);
    const words = first.maps.get('words');
    if (!words) throw new Error('no map');
    kernel.update(words, u32(0), new Uint8Array(16).fill(9));
    const second = kernel.loadObject({ ...sample, reuse: { words: words.fd } });
    const { data } = kernel.testRun(second.programFd, { data: new Uint8Array(64) });
    expect(Array.from(data.subarray(0, 9))).toEqual([9, 9, 9, 9, 9, 9, 9, 9, 0]);
    first.close();
    second.close();
  });

  it('gives up its descriptors when closed, once', () => {
    const loaded = kernel.loadObject(sample);
    loaded.close();
    loaded.close();
    expect(() => kernel.testRun(loaded.programFd, { data: new Uint8Array(64) })).toThrow(KernelError);
  });
});

describe('errors of loading', () => {
  it('say why the verifier refuses a program', () => {
    const error = errorOf(() =>
      kernel.loadObject({ objectPath: compileProgram('refused'), programName: 'refused' }),
    );
    expect(error.code).toBe('EACCES');
    expect(error.message).toContain('load program refused');
    expect(error.message).toContain('invalid access to packet');
  });

  it('name an object that is not there, and a program it has not', () => {
    const missing = errorOf(() => kernel.loadObject({ ...sample, objectPath: '/nowhere/x.bpf.o' }));
    expect(missing.message).toContain('/nowhere/x.bpf.o');
    const unknown = errorOf(() => kernel.loadObject({ ...sample, programName: 'other' }));
    expect(unknown.message).toContain('no program other');
  });

  it('name a file that is no object, with what libbpf says', () => {
    const error = errorOf(() => kernel.loadObject({ ...sample, objectPath: import.meta.filename }));
    expect(error.message).toContain(import.meta.filename);
    expect(error.message).toContain('libbpf');
  });

  it('name constants and maps that do not exist, and both sizes of a wrong one', () => {
    const constant = errorOf(() => kernel.loadObject({ ...sample, rodata: { verdikt: u32(1) } }));
    expect(constant.message).toContain('verdikt');
    const size = errorOf(() => kernel.loadObject({ ...sample, rodata: { verdict: new Uint8Array(8) } }));
    expect(size).toMatchObject({ code: 'EMSGSIZE', message: expect.stringContaining('4 bytes, not 8') });
    const map = errorOf(() => kernel.loadObject({ ...sample, maxEntries: { tabel: 1 } }));
    expect(map.message).toMatch(/no map tabel; it has .*table/);
  });

  it('refuse a handed-over map of another shape', () => {
    const loaded = kernel.loadObject(sample);
    const fd = loaded.maps.get('table')?.fd ?? -1;
    const error = errorOf(() => kernel.loadObject({ ...sample, reuse: { words: fd } }));
    expect(error.code).toBe('MAP_MISMATCH');
    loaded.close();
  });
});

describe('running a program on a packet', () => {
  it('returns the packet as the program left it, and a mean time', () => {
    const loaded = kernel.loadObject(sample);
    const result = kernel.testRun(loaded.programFd, { data: new Uint8Array(100).fill(7), repeat: 50 });
    expect(result.data).toHaveLength(100);
    expect(result.data[0]).toBe(0);
    expect(result.data[99]).toBe(7);
    expect(result.durationNs).toBeGreaterThanOrEqual(0);
    loaded.close();
  });

  it('lets it come in by a device', () => {
    const loaded = kernel.loadObject({ objectPath, programName: 'ingress_device' });
    expect(
      kernel.testRun(loaded.programFd, { data: new Uint8Array(64), ingressIfindex: 1 }).returnValue,
    ).toBe(1);
    const error = errorOf(() =>
      kernel.testRun(loaded.programFd, { data: new Uint8Array(64), ingressIfindex: 999_999 }),
    );
    expect(error.message).toContain('from device 999999');
    loaded.close();
  });

  it('reads the clock', () => {
    const clock = kernel.loadObject({ objectPath: buildProduct('clock.bpf.o'), programName: 'read_clock' });
    const read = () => kernel.testRun(clock.programFd, { data: new Uint8Array(64) }).returnValue;
    const before = read();
    const until = Date.now() + 50;
    while (Date.now() < until);
    expect((read() - before) >>> 0).toBeGreaterThan(0);
    clock.close();
  });
});
