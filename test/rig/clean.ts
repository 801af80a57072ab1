/**
 * Removes rigs: those whose owner is dead, or the ones named on the command
 * line whoever owns them.
 *
 *     npx tsx test/rig/clean.ts           # what killed runs left
 *     npx tsx test/rig/clean.ts demo ...  # these, also when they were left standing on purpose
 *     npx tsx test/rig/clean.ts --list
 */
import { cleanLeftovers, takeDown } from './leftovers.ts';
import { isAlive } from './process-table.ts';
import { allRecords, readRecord } from './record.ts';

const args = process.argv.slice(2);
if (args.includes('--list')) {
  for (const record of allRecords()) {
    const state = record.kept
      ? 'left standing'
      : isAlive(record.owner)
        ? `of process ${record.owner.pid}`
        : 'leftover';
    console.log(`${record.id.padEnd(20)}  ${state}`);
  }
} else {
  for (const id of args) {
    const record = readRecord(id);
    if (record === undefined) {
      console.log(`there is no rig ${id}`);
      continue;
    }
    await takeDown(record);
    console.log(`removed rig ${id}`);
  }
  for (const id of await cleanLeftovers()) console.log(`removed leftover rig ${id}`);
}
