/** Compiles the bench's own BPF programs into build/bench/. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildProduct } from '../../src/kernel/build-directory.ts';

const SOURCES = ['wrap', 'floors', 'mangle'] as const;
export type BenchObject = (typeof SOURCES)[number];

function newer(source: string, object: string): boolean {
  return !existsSync(object) || statSync(source).mtimeMs > statSync(object).mtimeMs;
}

/** Compiles what is missing or older than its source. Throws with clang's words when it can't. */
export function compileObjects(): Record<BenchObject, string> {
  mkdirSync(buildProduct('bench'), { recursive: true });
  const multiarch = execFileSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const include = multiarch ? ['-idirafter', `/usr/include/${multiarch}`] : [];
  const objects = {} as Record<BenchObject, string>;
  for (const name of SOURCES) {
    const source = fileURLToPath(new URL(`./${name}.bpf.c`, import.meta.url));
    objects[name] = buildProduct(`bench/${name}.bpf.o`);
    if (!newer(source, objects[name])) continue;
    const flags = ['-O2', '-g', '-mcpu=v3', '-target', 'bpf', '-Wall', '-Werror', ...include];
    execFileSync(process.env.CLANG ?? 'clang', [...flags, '-c', source, '-o', objects[name]], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  }
  return objects;
}
