/**
 * Writes `src/layout/generated.ts`: layouts from the BTF of a compiled object, names from the shared headers.
 *
 * usage: generate-layouts <btf object> <output> <header>...
 *
 * The output is touched only when it changes, so that nothing is compiled again for nothing.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Btf, type BtfDump } from './btf.ts';
import { renderLayouts } from './render-layouts.ts';
import { readSharedHeader } from './shared-header.ts';

function dumpBtf(objectPath: string): BtfDump {
  const json = execFileSync('bpftool', ['-j', 'btf', 'dump', 'file', objectPath], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  return JSON.parse(json) as BtfDump;
}

function main([objectPath, outputPath, ...headerPaths]: readonly string[]): void {
  if (!objectPath || !outputPath || headerPaths.length === 0) {
    throw new Error('usage: generate-layouts <btf object> <output> <header>...');
  }
  const header = readSharedHeader(headerPaths.map((path) => readFileSync(path, 'utf8')).join('\n'));
  const btf = new Btf(dumpBtf(objectPath));
  const text = renderLayouts(
    header.structs.map((name) => btf.struct(name)),
    header.enums.map((name) => btf.enum(name)),
    header.constants,
  );
  if (existsSync(outputPath) && readFileSync(outputPath, 'utf8') === text) return;
  writeFileSync(outputPath, text);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`generate-layouts: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
