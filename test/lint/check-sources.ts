/** Applies the rules of source-rules.ts to the files of the project. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Finding,
  forbiddenWords,
  longFiles,
  longFunctions,
  type SourceFile,
  structsDefinedTwice,
} from './source-rules.ts';

const GENERATED = 'src/layout/generated.ts';
const FOLDERS = ['src', 'bpf', 'native', 'test', 'docs', 'deploy', '.ci'];
/** By ending, or without one (Makefile, .ci/run). */
const TEXT = /\.(ts|c|h|md|json|ya?ml|mk|sh|conf|css|html)$|(^|\/)[^.]+$/;
const C_SOURCES = /^(bpf|native)\/.*\.[ch]$/;

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function sources(): SourceFile[] {
  const top = readdirSync('.', { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);
  return [...FOLDERS.flatMap(filesIn), ...top]
    .filter((path) => TEXT.test(path) && path !== GENERATED && path !== 'package-lock.json')
    .sort()
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

const files = sources();
const code = files.filter(({ path }) => /^(src|bpf|native|test)\//.test(path));
const c = files.filter(({ path }) => C_SOURCES.test(path));
const findings: Finding[] = [
  ...longFiles(code.filter(({ path }) => !path.endsWith('.json'))),
  ...longFunctions(c.filter(({ path }) => path.startsWith('bpf/'))),
  ...structsDefinedTwice(c),
  ...forbiddenWords(files),
];
for (const { path, line, message } of findings) console.error(`${path}:${line}: ${message}`);
console.log(`${files.length} files checked, ${findings.length} findings`);
if (findings.length > 0) process.exitCode = 1;
