/** What a machine must have before any BPF call makes sense. */
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { KernelError } from './kernel.ts';

export interface Machine {
  readonly uid: number;
  /** As `uname -r` says. */
  readonly kernelRelease: string;
  readonly hasBtf: boolean;
}

/** bpf_loop, which the programs need, came with this one. */
const OLDEST_KERNEL = { major: 5, minor: 17 };
const BTF_PATH = '/sys/kernel/btf/vmlinux';

export function thisMachine(): Machine {
  return { uid: process.geteuid?.() ?? -1, kernelRelease: release(), hasBtf: existsSync(BTF_PATH) };
}

/** Throws a {@link KernelError} that says what is missing in one line. */
export function checkRequirements({ uid, kernelRelease, hasBtf }: Machine): void {
  if (uid !== 0) {
    throw new KernelError('NOT_ROOT', 'loading BPF programs needs root: run this as root (sudo)');
  }
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  if (major < OLDEST_KERNEL.major || (major === OLDEST_KERNEL.major && minor < OLDEST_KERNEL.minor)) {
    throw new KernelError(
      'KERNEL_TOO_OLD',
      `this kernel is ${kernelRelease}, the programs need Linux 5.17 or newer (bpf_loop): boot a newer one`,
    );
  }
  if (!hasBtf) {
    throw new KernelError(
      'NO_BTF',
      `this kernel has no type information (${BTF_PATH}): boot one with CONFIG_DEBUG_INFO_BTF=y`,
    );
  }
}
