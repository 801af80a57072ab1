/** A million switches of one table on one CPU, and a reader on the other that never sees a mixture. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { afterEach, expect, test } from 'vitest';
import { storeTable } from '../../src/dataplane/entry-writes.ts';
import { kernelStores, type Stores } from '../../src/dataplane/stores.ts';
import { unpackTableWord } from '../../src/dataplane/table-word.ts';
import { backendAt, freshDirectory, kernel, open, removeDirectory, serviceOn } from './bed.ts';
import { liveServices } from './invariants.ts';

const SWITCHES = 1_000_000;

interface Seen {
  readonly reads: number;
  readonly switches: number;
  readonly classes: readonly number[];
  readonly wrong: string | null;
}

let directory = '';
let reader: ChildProcess | undefined;

afterEach(() => {
  reader?.kill('SIGKILL');
  removeDirectory(directory);
});

/** Switches while the reader reads, by these stores, and returns what it saw. */
async function switchUnderReader(change: (stores: Stores) => Stores, switches: number): Promise<Seen> {
  directory = await freshDirectory('switches');
  const dataplane = await open(directory);
  // Two tables of different size over different blocks, in which the third octet is the size class.
  const hosts = [1, 2, 3];
  await dataplane.apply({
    services: [
      serviceOn(
        '10.1.0.2',
        hosts.map((host) => backendAt(`10.0.1.${host}`)),
        251,
      ),
      serviceOn(
        '10.1.0.3',
        [...hosts, 4, 5, 6].map((host) => backendAt(`10.0.2.${host}`)),
        1021,
      ),
    ],
  });
  const live = liveServices(dataplane.maps, kernel);
  const first = live.get(`${0x0a010002}:53/17`);
  const second = live.get(`${0x0a010003}:53/17`);
  if (first === undefined || second === undefined) throw new Error('the services are not there');
  const { child, lines } = startReader(first.index);
  await once(lines, 'line');
  const tables = [second, first].map(({ value }) => unpackTableWord(value.table));
  const stores = change(kernelStores(kernel));
  for (let i = 0; i < switches; i++) {
    const table = tables[i % 2];
    if (table !== undefined) storeTable(dataplane.maps, stores, first.index, { ...table, generation: i });
  }
  const told = once(lines, 'line');
  child.stdin?.end();
  const [line] = (await told) as [string];
  await dataplane.close();
  return JSON.parse(line) as Seen;
}

function startReader(service: number): { child: ChildProcess; lines: Interface } {
  const script = new URL('./table-reader.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', script, directory, String(service)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('the reader has no output');
  reader = child;
  return { child, lines: createInterface(child.stdout) };
}

test('a reader never sees one table with the block of the other', async () => {
  const seen = await switchUnderReader((stores) => stores, SWITCHES);
  expect(seen.wrong).toBeNull();
  expect(seen.classes).toEqual([1, 2]);
  // The reader was there while it switched, not before or behind.
  expect(seen.switches).toBeGreaterThan(100);
});

test('the reader would see it: a switch of two stores is caught', async () => {
  const halves = (stores: Stores): Stores => ({
    ...stores,
    word(array, offset, value) {
      array.view.setUint32(offset, Number(value & 0xffffffffn), true);
      array.view.setUint32(offset + 4, Number(value >> 32n), true);
    },
  });
  const seen = await switchUnderReader(halves, SWITCHES);
  expect(seen.wrong).toMatch(/^class [12] line/);
});
