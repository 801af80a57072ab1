import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, ownProcess, processId } from '../../rig/process-table.ts';
import {
  allRecords,
  createRecord,
  newRecord,
  readRecord,
  removeRecord,
  saveRecord,
} from '../../rig/record.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'l4lb-record-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('a rig on record', () => {
  it('is owned by this process, and read back as it was written', () => {
    const record = newRecord('a', ['l4lb-a-lb1'], ['/etc/frr/l4lb-a-lb1']);
    createRecord(record, root);
    expect(readRecord('a', root)).toEqual(record);
    expect(isAlive(record.owner)).toBe(true);
  });

  it('gives an id to one rig only, and leaves the first one alone', () => {
    createRecord(newRecord('a', ['first'], []), root);
    expect(() => createRecord(newRecord('a', ['second'], []), root)).toThrow(`of process ${process.pid}`);
    expect(readRecord('a', root)?.namespaces).toEqual(['first']);
    expect(readdirSync(root)).toEqual(['a']);
  });

  it('says how to remove a rig that was left standing', () => {
    createRecord({ ...newRecord('a', [], []), kept: true }, root);
    expect(() => createRecord(newRecord('a', [], []), root)).toThrow(/left standing.*clean\.ts a/);
  });

  it('follows what is saved, and is gone when removed', () => {
    const record = newRecord('a', [], []);
    createRecord(record, root);
    saveRecord({ ...record, processes: [ownProcess()] }, root);
    expect(allRecords(root)).toEqual([{ ...record, processes: [ownProcess()] }]);
    removeRecord('a', root);
    expect(readRecord('a', root)).toBeUndefined();
    expect(allRecords(root)).toEqual([]);
  });
});

describe('process ids', () => {
  it('tells a process from a later one with the same pid', () => {
    const own = ownProcess();
    expect(isAlive(own)).toBe(true);
    expect(isAlive({ ...own, startTime: String(Number(own.startTime) + 1) })).toBe(false);
  });

  it('knows no process that does not exist', () => {
    expect(processId(2 ** 22 + 1)).toBeUndefined();
  });
});
