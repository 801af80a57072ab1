/**
 * One program with all it needs in a few files.
 *
 * What it imports when it needs it (`await import()`) gets files of its own, which cost nothing before. All
 * files are CommonJS, which Node starts 10 ms sooner than its own modules. esbuild splits only the latter,
 * hence the second pass, file by file.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build, type Metafile } from 'esbuild';

/** Native add-ons: they look for their compiled part beside themselves. */
const EXTERNAL = ['ffi-napi', 'ref-napi'];

const COMMON: BuildOptions = { platform: 'node', target: 'node20', sourcemap: true, logLevel: 'error' };

/**
 * Writes `<name>.js` for `<name>.ts`, and the files it loads, into the directory, with source maps. Code that
 * looks for files beside itself finds them if the directory is as deep in the tree as the sources.
 *
 * @returns esbuild's account of which source is in which file.
 * @throws with esbuild's messages, which name file and line.
 */
export async function bundleProgram(source: string, directory: string): Promise<Metafile> {
  mkdirSync(directory, { recursive: true });
  const modules = mkdtempSync(join(directory, 'modules-'));
  try {
    const { metafile } = await build({
      ...COMMON,
      entryPoints: [source],
      bundle: true,
      external: EXTERNAL,
      format: 'esm',
      splitting: true,
      metafile: true,
      outdir: modules,
    });
    // So that a default import of CommonJS means module.exports, as it does in Node.
    writeFileSync(join(modules, 'package.json'), '{ "type": "module" }');
    const files = readdirSync(modules).filter((name) => name.endsWith('.js'));
    await build({
      ...COMMON,
      entryPoints: files.map((name) => join(modules, name)),
      format: 'cjs',
      outdir: directory,
      supported: { 'dynamic-import': false },
      define: { 'import.meta.url': 'moduleUrl' },
      banner: { js: 'const moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
    });
    return metafile;
  } finally {
    rmSync(modules, { recursive: true });
  }
}
