import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { layout } from '../../src/layout/generated.ts';
import { mountBpffs } from './bpffs-directory.ts';
import { compileProgram, u32, u64 } from './sample-object.ts';

const kernel = openKernel();
const sample = { objectPath: compileProgram('sample'), programName: 'sample' };
const version = `v${layout.LAYOUT_VERSION}`;
let bpffs: ReturnType<typeof mountBpffs>;
let runs = 0;
let directory = '';

beforeAll(() => {
  bpffs = mountBpffs('pins');
});
afterAll(() => bpffs.unmount());
beforeEach(() => {
  directory = `${bpffs.path}/run${++runs}`;
});

describe('pinned maps', () => {
  it('carry the layout version, and are not the internal ones', () => {
    kernel.loadObject({ ...sample, pinDirectory: directory }).close();
    expect(readdirSync(directory).sort()).toEqual(
      ['counters', 'table', 'words'].map((name) => `${name}_${version}`),
    );
  });

  it('are taken over with what is in them', () => {
    const first = kernel.loadObject({ ...sample, pinDirectory: directory });
    const table = first.maps.get('table');
    if (!table) throw new Error('no map');
    kernel.update(table, u32(1, 2), u64(77n));
    first.close();

    const second = kernel.loadObject({ ...sample, pinDirectory: directory });
    const again = second.maps.get('table');
    if (!again) throw new Error('no map');
    expect(kernel.lookup(again, u32(1, 2))).toEqual(Buffer.from(u64(77n)));
    // It is the same map for the program too, not only under the same name.
    const words = second.maps.get('words');
    const pinned = kernel.openPinnedMap(`${directory}/words_${version}`);
    if (!words || !pinned) throw new Error('no map');
    expect(pinned).toMatchObject({ name: 'words', maxEntries: 700, valueSize: 16 });
    kernel.storeU64(kernel.mapMemory(pinned, 'write'), 0, 0x55n);
    expect(kernel.testRun(second.programFd, { data: new Uint8Array(64) }).data[0]).toBe(0x55);
    kernel.closeFd(pinned.fd);
    second.close();
  });

  it('of other sizes are refused with both sizes and a remedy, and stay as they are', () => {
    kernel.loadObject({ ...sample, pinDirectory: directory }).close();
    expect(() =>
      kernel.loadObject({ ...sample, pinDirectory: directory, maxEntries: { table: 10 } }),
    ).toThrow(
      expect.objectContaining({
        code: 'MAP_MISMATCH',
        message: expect.stringMatching(/table_v\d+ has 20000 entries of 8 \+ 8 .* want 10 entries.*remove/s),
      }),
    );
    expect(readdirSync(directory)).toHaveLength(3);
    kernel.loadObject({ ...sample, pinDirectory: directory }).close();
  });

  it('are not made beside something that is in the way', () => {
    mkdirSync(`${directory}/words_${version}`, { recursive: true });
    expect(() => kernel.loadObject({ ...sample, pinDirectory: directory })).toThrow(
      `${directory}/words_${version}`,
    );
    expect(readdirSync(directory)).toEqual([`words_${version}`]);
  });

  it('need a BPF file system', () => {
    expect(() => kernel.loadObject({ ...sample, pinDirectory: '/tmp/l4lb-kernel-test-no-bpffs' })).toThrow(
      expect.objectContaining({ code: 'NOT_BPFFS', message: expect.stringContaining('mount -t bpf') }),
    );
  });
});

describe('opening a pin', () => {
  it('answers undefined for nothing', () => {
    expect(kernel.openPinnedMap(`${directory}/nothing`)).toBeUndefined();
    expect(kernel.openPinnedLink(`${directory}/nothing`)).toBeUndefined();
  });

  it('refuses something else, by name', () => {
    kernel.loadObject({ ...sample, pinDirectory: directory }).close();
    const path = `${directory}/words_${version}`;
    expect(() => kernel.openPinnedLink(path)).toThrow(`${path} is pinned, but is no BPF link`);
    const file = '/tmp/l4lb-kernel-test-file';
    writeFileSync(file, '');
    expect(() => kernel.openPinnedMap(file)).toThrow(`open ${file}`);
  });
});
