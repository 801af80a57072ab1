/** Loaded programs: what they are, and running them on made-up packets. */
import { closeSync } from 'node:fs';
import type { TestRunOptions, TestRunResult } from './kernel.ts';
import type { NativeCalls } from './native-calls.ts';
import { readCString } from './native-library.ts';
import { checked, kernelError } from './native-result.ts';

/** Room for what a program puts in front of or behind a packet. */
const GROWTH = 512;

export interface ProgramInfo {
  readonly id: number;
  /** enum bpf_prog_type */
  readonly type: number;
  readonly verifiedInstructions: number;
  /** At most 15 characters. */
  readonly name: string;
}

export function programInfo(native: NativeCalls, fd: number): ProgramInfo {
  const info = new Uint32Array(3);
  const name = Buffer.alloc(16);
  checked(
    native.l4lb.programInfo(fd, new Uint8Array(info.buffer), name),
    `read about program descriptor ${fd}`,
  );
  const [id = 0, type = 0, verifiedInstructions = 0] = info;
  return { id, type, verifiedInstructions, name: readCString(name) };
}

/** `program 17 (lb_xdp)`, or without the name if the program is gone. */
export function describeProgram(native: NativeCalls, id: number): string {
  const fd = native.bpf.programFdById(id);
  if (fd < 0) return `program ${id}`;
  try {
    return `program ${id} (${programInfo(native, fd).name || 'no name'})`;
  } finally {
    closeSync(fd);
  }
}

/** Of linux/bpf.h since Linux 6.11. */
const BPF_F_TEST_SKB_CHECKSUM_COMPLETE = 4;

export function testRun(native: NativeCalls, programFd: number, options: TestRunOptions): TestRunResult {
  const data = Buffer.alloc(options.data.length + GROWTH);
  const size = new Uint32Array([data.length]);
  const result = new Uint32Array(2);
  const error = native.l4lb.testRun(
    programFd,
    options.data,
    options.data.length,
    data,
    new Uint8Array(size.buffer),
    options.repeat ?? 1,
    options.ingressIfindex ?? 0,
    options.checksumComplete === true ? BPF_F_TEST_SKB_CHECKSUM_COMPLETE : 0,
    new Uint8Array(result.buffer),
  );
  if (error < 0) {
    const from = options.ingressIfindex ? ` from device ${options.ingressIfindex}` : '';
    throw kernelError(
      error,
      `run a program on a packet of ${options.data.length} bytes${from}`,
      ': a packet has 14 bytes to about 3,500',
    );
  }
  const [returnValue = 0, durationNs = 0] = result;
  return { returnValue, data: data.subarray(0, size[0]), durationNs };
}
