/** The BPF file system for pins: mounted when missing, and unmounted by the last rig if a rig mounted it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { allRecords, RIG_ROOT } from './record.ts';

export const BPFFS = '/sys/fs/bpf';

/** BPF_FS_MAGIC of linux/magic.h. */
const BPF_FS_MAGIC = 0xcafe4a11;

/** Some kernels put these into every BPF file system. */
const OF_KERNEL = ['maps.debug', 'progs.debug'];

/** Says that a rig mounted it; written before the mount. */
const MARK = join(RIG_ROOT, '.bpffs-mounted');

export async function ensureBpffs(): Promise<void> {
  if (isMounted()) return;
  mkdirSync(RIG_ROOT, { recursive: true });
  writeFileSync(MARK, `${BPFFS}\n`);
  await run(['mount', '-t', 'bpf', '-o', 'mode=0700', 'bpf', BPFFS]);
}

/** Unmounts what a rig mounted, once no rig is left and nobody else has put anything in. */
export async function releaseBpffs(): Promise<void> {
  if (!existsSync(MARK) || allRecords().length > 0) return;
  const mountPoint = readFileSync(MARK, 'utf8').trim();
  if (isMounted()) {
    if (readdirSync(mountPoint).some((name) => !OF_KERNEL.includes(name))) return;
    const result = await run(['umount', mountPoint], { mayFail: true });
    if (result.code !== 0) return; // somebody stands in it; the next rig tries again
  }
  rmSync(MARK, { force: true });
}

function isMounted(): boolean {
  return statfsSync(BPFFS).type >>> 0 === BPF_FS_MAGIC;
}
