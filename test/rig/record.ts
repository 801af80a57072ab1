/**
 * What a rig has made, on disk before it is made, so that the next run can
 * remove what a killed one left.
 *
 * A rig's directory `/run/l4lb-rig/<id>` appears by a rename with the record
 * already in it: there is never a rig whose owner is unknown, and of two rigs
 * of one id only the first gets it.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, ownProcess, type ProcessId } from './process-table.ts';

export const RIG_ROOT = '/run/l4lb-rig';

export interface RigRecord {
  readonly id: string;
  readonly owner: ProcessId;
  /** Left standing on purpose: only a person takes it down. */
  readonly kept: boolean;
  readonly namespaces: readonly string[];
  /** Files and directories outside the rig's own directory. */
  readonly paths: readonly string[];
  readonly processes: readonly ProcessId[];
}

/** Directory of a rig: record, logs, configurations, sockets. */
export function rigDirectory(id: string, root = RIG_ROOT): string {
  return join(root, id);
}

/** The first record of a rig; throws when there is one of that id already. */
export function createRecord(record: RigRecord, root = RIG_ROOT): void {
  const fresh = join(root, `.new-${record.owner.pid}-${record.owner.startTime}-${record.id}`);
  mkdirSync(fresh, { recursive: true, mode: 0o755 });
  write(join(fresh, 'record.json'), record);
  try {
    renameSync(fresh, rigDirectory(record.id, root));
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    const other = readRecord(record.id, root);
    const who = other?.kept === true ? 'left standing' : `of process ${other?.owner.pid ?? '?'}`;
    throw new Error(
      `there is a rig ${record.id} already (${who}): take another id, or remove it with ` +
        `npx tsx test/rig/clean.ts ${record.id}`,
      { cause: error },
    );
  }
}

/** Replaces the record of a rig that exists. */
export function saveRecord(record: RigRecord, root = RIG_ROOT): void {
  write(join(rigDirectory(record.id, root), 'record.json'), record);
}

/** Undefined when there is no such rig. */
export function readRecord(id: string, root = RIG_ROOT): RigRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(rigDirectory(id, root), 'record.json'), 'utf8')) as RigRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export function allRecords(root = RIG_ROOT): RigRecord[] {
  return entries(root)
    .filter((name) => !name.startsWith('.'))
    .map((name) => readRecord(name, root))
    .filter((record) => record !== undefined);
}

/** The rig's directory and with it the record: last of all that is removed. */
export function removeRecord(id: string, root = RIG_ROOT): void {
  rmSync(rigDirectory(id, root), { recursive: true, force: true });
}

/** Directories of owners that died between writing the record and the rename. */
export function removeUnborn(root = RIG_ROOT): void {
  for (const name of entries(root)) {
    const parts = /^\.new-(\d+)-(\d+)-/.exec(name);
    if (parts === null) continue;
    const owner = { pid: Number(parts[1]), startTime: parts[2] ?? '' };
    if (!isAlive(owner)) rmSync(join(root, name), { recursive: true, force: true });
  }
}

/** An empty record of a rig that this process owns. */
export function newRecord(id: string, namespaces: readonly string[], paths: readonly string[]): RigRecord {
  return { id, owner: ownProcess(), kept: false, namespaces, paths, processes: [] };
}

function entries(root: string): string[] {
  try {
    return readdirSync(root);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function write(path: string, record: RigRecord): void {
  const half = `${path}.new`;
  writeFileSync(half, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(half, path);
}
