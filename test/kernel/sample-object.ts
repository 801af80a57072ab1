import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { buildProduct } from '../../src/kernel/build-directory.ts';

/** Compiles a program of this folder and returns the object's path. */
export function compileProgram(name: string): string {
  const object = buildProduct(`test-kernel/${name}.bpf.o`);
  mkdirSync(resolve(object, '..'), { recursive: true });
  const multiarch = execFileSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const source = resolve(import.meta.dirname, 'programs', `${name}.bpf.c`);
  execFileSync('clang', [
    ...['-O2', '-g', '-mcpu=v3', '-target', 'bpf', '-Wall', '-Werror'],
    ...['-idirafter', `/usr/include/${multiarch}`, '-c', source, '-o', object],
  ]);
  return object;
}

export const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
export const u64 = (...values: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);
