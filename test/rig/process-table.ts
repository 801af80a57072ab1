/** Processes by pid and start time, so that a pid that was given to another program is not mistaken. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

export interface ProcessId {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of /proc/PID/stat. */
  readonly startTime: string;
}

/** Undefined when there is no such process, or it is a zombie. */
export function processId(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the name in brackets and may hold anything: count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const startTime = fields[19];
    return startTime === undefined || fields[0] === 'Z' ? undefined : { pid, startTime };
  } catch {
    return undefined;
  }
}

/** True while that very process runs. */
export function isAlive(id: ProcessId): boolean {
  return processId(id.pid)?.startTime === id.startTime;
}

/** This process; it always has an id. */
export function ownProcess(): ProcessId {
  const own = processId(process.pid);
  if (own === undefined) throw new Error('/proc/self/stat cannot be read: is /proc mounted?');
  return own;
}

/** All processes that sit in a network namespace of that name; empty when there is none. */
export function processesIn(netns: string): ProcessId[] {
  let inode: number;
  try {
    inode = statSync(`/run/netns/${netns}`).ino;
  } catch {
    return [];
  }
  const wanted = `net:[${inode}]`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && namespaceOfProcess(name) === wanted)
    .map((name) => processId(Number(name)))
    .filter((id) => id !== undefined);
}

function namespaceOfProcess(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** False when that very process is gone already. */
export function signal(id: ProcessId, name: NodeJS.Signals): boolean {
  if (!isAlive(id)) return false;
  try {
    return process.kill(id.pid, name);
  } catch {
    return false;
  }
}
