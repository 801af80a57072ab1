/** The BPF file system that pins live in: found, or mounted. */
import { mkdirSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type RunCommand, runChecked } from './run-command.ts';

/** BPF_FS_MAGIC of linux/magic.h. */
const BPF_FS_MAGIC = 0xcafe4a11;

export interface FileSystemTypes {
  /** The type of the file system that holds the path; undefined when the path is not there. */
  typeOf(path: string): number | undefined;
  makeDirectory(path: string): void;
}

export const realFileSystem: FileSystemTypes = {
  typeOf(path) {
    try {
      return statfsSync(path).type >>> 0;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
  makeDirectory: (path) => void mkdirSync(path, { recursive: true, mode: 0o700 }),
};

/**
 * Where a BPF file system has to be mounted so that `directory` is inside one; undefined when it is
 * already. The usual place is taken when the directory is below it, else the directory itself.
 */
export function whereToMount(directory: string, files: Pick<FileSystemTypes, 'typeOf'>): string | undefined {
  let existing = directory;
  while (files.typeOf(existing) === undefined && existing !== dirname(existing)) existing = dirname(existing);
  if (files.typeOf(existing) === BPF_FS_MAGIC) return undefined;
  return directory === '/sys/fs/bpf' || directory.startsWith('/sys/fs/bpf/') ? '/sys/fs/bpf' : directory;
}

/** True when it had to be mounted. Throws a CommandError when that is not permitted. */
export async function ensureBpffs(
  directory: string,
  run: RunCommand,
  files: FileSystemTypes = realFileSystem,
): Promise<boolean> {
  const mountPoint = whereToMount(directory, files);
  if (mountPoint !== undefined) {
    files.makeDirectory(mountPoint);
    await runChecked(run, 'mount', ['-t', 'bpf', '-o', 'mode=0700', 'bpf', mountPoint]);
  }
  files.makeDirectory(directory);
  return mountPoint !== undefined;
}
