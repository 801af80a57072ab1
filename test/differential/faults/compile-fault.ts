/** Compiles the XDP program with one fault in it into a directory of its own. */
import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Fault } from './fault.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The file of the fault with the fault in it. Throws if its place is not there exactly once. */
export function faultySource({ name, file, from, to }: Fault): string {
  const source = readFileSync(join(ROOT, 'bpf', file), 'utf8');
  const places = source.split(from).length - 1;
  if (places !== 1) throw new Error(`${name}: ${JSON.stringify(from)} is ${places} times in bpf/${file}`);
  return source.replace(from, () => to);
}

/** The directory to use as L4LB_BUILD_DIR. Rejects if the place of the fault is not there exactly once. */
export async function compileFault(fault: Fault, directory: string): Promise<string> {
  const sources = join(directory, 'bpf');
  cpSync(join(ROOT, 'bpf'), sources, { recursive: true });
  writeFileSync(join(sources, fault.file), faultySource(fault));
  const build = join(directory, 'build');
  mkdirSync(build);
  for (const product of ['clock.bpf.o', 'libl4lb.so']) {
    copyFileSync(join(ROOT, 'build', product), join(build, product));
  }
  await compile(join(sources, 'xdp.bpf.c'), join(build, 'xdp.bpf.o'));
  return build;
}

/** As the Makefile does. Warnings are no errors: a fault may leave something unused. */
async function compile(source: string, object: string): Promise<void> {
  const multiarch = execFileSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const headers = multiarch === '' ? [] : ['-idirafter', `/usr/include/${multiarch}`];
  const flags = ['-O2', '-g', '-mcpu=v3', '-target', 'bpf', '-w', ...headers];
  await promisify(execFile)('clang', [...flags, '-c', source, '-o', object]);
}
