/**
 * Reads a service's table word as a packet does, again and again, from the pinned maps:
 * table-reader.ts <bpf directory> <service index>. Ends when stdin closes and prints what it saw as JSON:
 * reads, tables seen by generation parity, and the first thing that did not belong together.
 */
import { openPinnedDataplane } from '../../src/dataplane/maps.ts';
import { tableSlots, unpackTableWord } from '../../src/dataplane/table-word.ts';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { backend, service } from '../../src/layout/generated.ts';

const kernel = openKernel();
const maps = openPinnedDataplane(kernel, process.argv[2] ?? '', 'read');
if (maps === undefined) throw new Error(`no pinned maps in ${process.argv[2]}`);
const { services, maglev_slots: slots, backends } = maps.arrays;
const wordAt = Number(process.argv[3]) * services.stride + service.offsets.table;

let ended = false;
process.stdin.on('end', () => {
  ended = true;
});
process.stdin.resume();
process.stdout.write('ready\n');

let reads = 0;
let switches = 0;
let last = -1n;
let wrong: string | undefined;
const seen = new Set<number>();
while (!ended && wrong === undefined) {
  for (let i = 0; i < 5_000; i++) {
    const word = kernel.loadU64(services.memory, wordAt);
    reads += 1;
    if (word !== last) switches += 1;
    last = word;
    const table = unpackTableWord(word);
    const slot = (reads * 7) % tableSlots(table);
    const position = slots.memory.readUInt16LE(table.line * slots.stride + slot * 2);
    const at = (table.block + position) * backends.stride;
    const address = backends.view.getUint32(at + backend.offsets.addr, false);
    seen.add(table.sizeClass);
    // Table and block of one side: 10.0.<size class>.x, on positions that only this side has.
    if (((address >>> 8) & 0xff) !== table.sizeClass) {
      wrong = `class ${table.sizeClass} line ${table.line} block ${table.block}: backend ${address.toString(16)}`;
      break;
    }
  }
  await new Promise((resolve) => setImmediate(resolve));
}
process.stdout.write(
  `${JSON.stringify({ reads, switches, classes: [...seen].sort(), wrong: wrong ?? null })}\n`,
);
