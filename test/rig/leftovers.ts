/** Takes down what a record names: at the end of a rig, and after one that was killed. */
import { existsSync, rmSync } from 'node:fs';
import { releaseBpffs } from './bpffs.ts';
import { run } from './command.ts';
import { isAlive, type ProcessId, processesIn, signal } from './process-table.ts';
import { allRecords, type RigRecord, removeRecord, removeUnborn } from './record.ts';
import { waitFor } from './wait.ts';

/** Milliseconds that a process gets to end by itself after SIGTERM. */
const GRACE = 3000;

/**
 * Removes all that the record names, and the record last: a removal that fails or is killed can be
 * repeated. Processes are found by their namespace too, so that one which was started but not yet
 * recorded does not escape.
 */
export async function takeDown(record: RigRecord): Promise<void> {
  await endProcesses(record);
  for (const netns of record.namespaces.filter((name) => existsSync(`/run/netns/${name}`))) {
    const result = await run(['ip', 'netns', 'delete', netns], { mayFail: true });
    if (result.code !== 0 && existsSync(`/run/netns/${netns}`)) {
      throw new Error(`namespace ${netns} cannot be deleted: ${result.stderr.trim()}`);
    }
  }
  for (const path of record.paths) rmSync(path, { recursive: true, force: true });
  removeRecord(record.id);
  await releaseBpffs();
}

/** Removes rigs whose owner is dead, except those left standing on purpose. Returns their ids. */
export async function cleanLeftovers(): Promise<string[]> {
  removeUnborn();
  const dead = allRecords().filter((record) => !record.kept && !isAlive(record.owner));
  for (const record of dead) await takeDown(record);
  return dead.map((record) => record.id);
}

async function endProcesses(record: RigRecord): Promise<void> {
  const running = (): ProcessId[] => {
    const found = [...record.processes.filter(isAlive), ...record.namespaces.flatMap(processesIn)];
    const byPid = new Map(found.map((id) => [id.pid, id]));
    byPid.delete(process.pid);
    return [...byPid.values()];
  };
  for (const id of running().reverse()) signal(id, 'SIGTERM');
  const gone = async () => running().length === 0;
  await waitFor('processes of the rig end', gone, { timeout: GRACE, interval: 20 }).catch(() => {
    for (const id of running()) signal(id, 'SIGKILL');
  });
  await waitFor(`processes of rig ${record.id} are gone`, gone, {
    interval: 20,
    evidence: async () => `still there: ${running().map((id) => id.pid)}`,
  });
}
