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

export const kernelSysctls: Sysctls = {
  read(path) {
    try {
      return readFileSync(`/proc/sys/${path}`, 'utf8').trim();
    } catch (error) {
      if (gone.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  },
  write(path, value) {
    try {
      writeFileSync(`/proc/sys/${path}`, `${value}\n`, { flag: 'r+' });
      return true;
    } catch (error) {
      if (gone.has((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  },
};
