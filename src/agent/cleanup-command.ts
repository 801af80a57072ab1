/** `lb-agent cleanup`. */
import { existsSync } from 'node:fs';
import { loadConfigOfAnyRole } from '../config/parse-node-config.ts';
import { openKernel } from '../kernel/libbpf.ts';
import { runCommand } from '../node/run-command.ts';
import { kernelSysctls } from '../node/sysctl.ts';
import { nodeIdentity } from '../node/sysctl-record.ts';
import { cleanup } from './cleanup.ts';
import { type Lock, lockBpfDirectory, lockRuntime } from './lock.ts';
import { makeLogger } from './logger.ts';
import { runtimeFiles } from './runtime-files.ts';

/** Prints what it did. Throws when an agent runs, unless forced. */
export async function runCleanup(configFile: string, force: boolean): Promise<void> {
  const config = loadConfigOfAnyRole(configFile);
  const files = runtimeFiles(config.runtimeDirectory);
  const locks: Lock[] = [];
  if (!force) {
    locks.push(lockRuntime(files.lock));
    if (existsSync(config.bpfDirectory)) locks.push(lockBpfDirectory(config.bpfDirectory));
  }
  const done = await cleanup(config, openKernel(), {
    run: runCommand,
    sysctls: kernelSysctls,
    identity: nodeIdentity(),
    files,
    log: makeLogger(config.node, 'silent'),
  });
  process.stdout.write(done.length === 0 ? 'nothing to clean up\n' : `${done.join('\n')}\n`);
  for (const lock of locks) lock.release();
}
