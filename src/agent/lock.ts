/**
 * One agent per runtime directory and per BPF directory.
 *
 * The lock is flock(2) on a descriptor that this process holds: the kernel
 * gives it up when the process ends, however it ends, so no stale lock is ever
 * to be judged. Node has no flock, so flock(1) takes it on the inherited
 * descriptor: the lock belongs to the open file, not to the program that asked.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AgentError, exitCodes } from './exit-codes.ts';

export interface Lock {
  release(): void;
}

/** False when somebody else has it. */
function tryLock(fd: number, what: string): boolean {
  const result = spawnSync('flock', ['--nonblock', '--exclusive', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (result.status === 0) return true;
  if (result.status === 1) return false;
  const why = result.error?.message ?? result.stderr;
  throw new AgentError(exitCodes.unfit, `cannot lock ${what}: ${why.trim()}; flock of util-linux is needed`);
}

/** The process id in the lock file, for messages only. */
export function lockHolder(lockFile: string): number | undefined {
  try {
    const pid = Number(readFileSync(lockFile, 'utf8').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Takes the lock of the runtime directory, or throws an AgentError that names the holder. */
export function lockRuntime(lockFile: string): Lock {
  mkdirSync(dirname(lockFile), { recursive: true, mode: 0o755 });
  const fd = openSync(lockFile, constants.O_RDWR | constants.O_CREAT, 0o644);
  if (!tryLock(fd, lockFile)) {
    closeSync(fd);
    throw new AgentError(
      exitCodes.running,
      `another lb-agent (process ${lockHolder(lockFile) ?? 'unknown'}) runs with ${dirname(lockFile)}; ` +
        'stop it first, or give this one its own runtimeDirectory',
    );
  }
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`, 0);
  return { release: () => closeSync(fd) };
}

/** Takes the lock of a BPF directory: pins must have one owner even if runtime directories differ. */
export function lockBpfDirectory(directory: string): Lock {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  if (!tryLock(fd, directory)) {
    closeSync(fd);
    throw new AgentError(
      exitCodes.running,
      `another lb-agent uses the pins in ${directory}; give this one its own bpfDirectory`,
    );
  }
  return { release: () => closeSync(fd) };
}
