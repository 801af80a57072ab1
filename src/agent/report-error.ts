/** An error that ends the process, as text and exit code. */
import { ConfigError } from '../config/config-error.ts';
import { KernelError } from '../kernel/kernel.ts';
import { CommandError } from '../node/run-command.ts';
import { VipDeviceError } from '../vip/vip-device.ts';
import { AgentError, type ExitCode, exitCodes } from './exit-codes.ts';

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof AgentError) return error.exitCode;
  if (error instanceof ConfigError) return exitCodes.configuration;
  if (error instanceof KernelError || error instanceof VipDeviceError) return exitCodes.unfit;
  if (error instanceof CommandError) {
    return /not permitted|denied|not installed/i.test(error.message) ? exitCodes.unfit : exitCodes.failure;
  }
  const { code } = error as { code?: unknown };
  return code === 'EPERM' || code === 'EACCES' ? exitCodes.unfit : exitCodes.failure;
}

/** What is expected to happen is one line; a bug shows its stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const expected = exitCodeOf(error) !== exitCodes.failure || error instanceof CommandError;
  return expected ? error.message : (error.stack ?? error.message);
}
