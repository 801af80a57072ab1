/** Compiles a BPF program of a rig, with what it is told at compile time. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Throws with clang's words. */
export async function clangBpf(source: string, object: string, defines: readonly string[]): Promise<void> {
  const headers = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const flags = ['-O2', '-g', '-mcpu=v3', '-Wall', '-Werror', '-target', 'bpf', '-idirafter', headers];
  await promisify(execFile)(process.env.CLANG ?? 'clang', [...flags, ...defines, '-c', source, '-o', object]);
}
