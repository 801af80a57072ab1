/**
 * Reading and writing /proc/sys. What is under net/ is that of the network
 * namespace of the reading process, whoever mounted /proc.
 */
import { readFileSync, writeFileSync } from 'node:fs';

export interface Sysctls {
  /** `net/ipv4/conf/eth0/rp_filter`; undefined when it does not exist (device gone). */
  read(path: string): string | undefined;
  /** Throws what the kernel says (EINVAL, EPERM); false when it does not exist. */
  write(path: string, value: string): boolean;
}

const gone = new Set(['ENOENT', 'ENODEV', 'ENXIO']);

/** A container's own /proc/sys can only be read; then the variable says where the host's is mounted. */
function fileOf(path: string): string {
  return `${process.env.L4LB_PROC_SYS || '/proc/sys'}/${path}`;
}

export const kernelSysctls: Sysctls = {
  read(path) {
    try {
      return readFileSync(fileOf(path), 'utf8').trim();
    } catch (error) {
      if (gone.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  },
  write(path, value) {
    try {
      writeFileSync(fileOf(path), `${value}\n`, { flag: 'r+' });
      return true;
    } catch (error) {
      if (gone.has((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  },
};
