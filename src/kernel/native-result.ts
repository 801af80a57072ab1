/** Turns what C returns into values or a {@link KernelError}. */
import { constants } from 'node:os';
import { KernelError } from './kernel.ts';
import type { NativeCalls } from './native-calls.ts';

const ERRNO_NAMES = new Map<number, string>(
  Object.entries(constants.errno).map(([name, value]) => [value, name] as const),
);

/** Linux numbers that Node does not list. */
const OTHER_ERRNO_NAMES: Readonly<Record<number, string>> = { 524: 'ENOTSUPP' };

/** What an operator can do about an errno of the bpf system call. */
const REMEDIES: Readonly<Record<string, string>> = {
  EPERM: 'run as root with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; a locked-down kernel also says this',
  ENOMEM: 'the kernel has no memory for it: make the tables smaller',
  ENOSPC: 'no room is left: make the table larger',
  E2BIG: 'too large for the map or for the verifier',
  ENODEV: 'there is no such device in this network namespace',
  EOPNOTSUPP: 'the driver or the kernel does not support it',
  ENOTSUPP: 'the kernel does not support it',
};

/** -13 -> `EACCES` */
export function errnoName(result: number): string {
  return ERRNO_NAMES.get(-result) ?? OTHER_ERRNO_NAMES[-result] ?? `errno ${-result}`;
}

/** `what` says what was tried, with the names in it: `attach to device 3`. */
export function kernelError(result: number, what: string, detail = ''): KernelError {
  const code = errnoName(result);
  const remedy = REMEDIES[code];
  return new KernelError(code, `cannot ${what}: ${code}${remedy ? ` (${remedy})` : ''}${detail}`);
}

/** Returns a result of 0 or more, throws for -errno. */
export function checked(result: number, what: string): number {
  if (result < 0) throw kernelError(result, what);
  return result;
}

const LOG_BYTES = 64 << 10;

/** Takes what libbpf said since the last time; the last `lines` of it. */
export function takeLog({ l4lb }: NativeCalls, lines = 15): string {
  const buffer = Buffer.alloc(LOG_BYTES);
  const length = l4lb.logTake(buffer, buffer.length);
  const all = buffer.toString('utf8', 0, length).split('\n').filter(Boolean);
  return all.slice(-lines).join('\n');
}
