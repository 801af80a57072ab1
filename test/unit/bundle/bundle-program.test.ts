/** lbctl as it is shipped: what is in the files that it reads at once, and that they work. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Metafile } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { bundleProgram } from '../../../src/bundle/bundle-program.ts';

// The bundler is a process of its own; on a busy machine it takes its time.
vi.setConfig({ testTimeout: 15_000, hookTimeout: 30_000 });

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const HEAVY =
  /^node_modules\/(ffi-napi|ref-napi|zod|yaml|pino|prom-client|ip-address|@[^/]*kube[^/]*|@2060\.io)\/|^src\/(kernel|dataplane|layout|agent|sources|kubernetes)\//;

let directory: string;
let metafile: Metafile;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-bundle-'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "commonjs", "version": "1.2.3" }');
  mkdirSync(join(directory, 'dist'));
  metafile = await bundleProgram(join(ROOT, 'src/cli/lbctl.ts'), join(directory, 'dist', 'cli'));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The sources in a file and in those that it imports, those that it imports later only if asked for. */
function sourcesOf(output: string, late: boolean, seen = new Set<string>()): string[] {
  const file = metafile.outputs[output];
  if (file === undefined || seen.has(output)) return [];
  seen.add(output);
  const imports = file.imports.filter(({ kind }) => late || kind !== 'dynamic-import');
  return [...Object.keys(file.inputs), ...imports.flatMap(({ path }) => sourcesOf(path, late, seen))];
}

function lbctlOutput(): string {
  const output = Object.keys(metafile.outputs).find((name) => name.endsWith('/lbctl.js'));
  if (output === undefined) throw new Error('there is no lbctl.js');
  return output;
}

describe('the files that lbctl reads at once', () => {
  it('have all commands and commander in them', () => {
    const sources = sourcesOf(lbctlOutput(), false);
    expect(sources).toContain('src/cli/commands/service.ts');
    expect(sources.some((source) => source.startsWith('node_modules/commander/'))).toBe(true);
  });

  it('have nothing heavy in them; that is in files for later', () => {
    expect(sourcesOf(lbctlOutput(), false).filter((source) => HEAVY.test(source))).toEqual([]);
    const late = sourcesOf(lbctlOutput(), true).filter((source) => HEAVY.test(source));
    expect(late).toContain('src/kernel/libbpf.ts');
    for (const library of ['zod', 'yaml']) {
      expect(late.some((source) => source.startsWith(`node_modules/${library}/`))).toBe(true);
    }
  });

  it('are few', () => {
    const count = (output: string, seen = new Set<string>()): number => {
      seen.add(output);
      for (const { path, kind, external } of metafile.outputs[output]?.imports ?? []) {
        if (kind === 'import-statement' && !external && !seen.has(path)) count(path, seen);
      }
      return seen.size;
    };
    expect(count(lbctlOutput())).toBeLessThanOrEqual(6);
  });
});

describe('the bundle', () => {
  const lbctl = (...words: string[]) =>
    execFileSync(process.execPath, [join(directory, 'dist/cli/lbctl.js'), ...words], {
      encoding: 'utf8',
      stdio: 'pipe',
    });

  it('runs away from the sources and finds what is beside it', () => {
    expect(lbctl('--version')).toBe('1.2.3\n');
    expect(lbctl('service', 'list', '--help')).toContain('lbctl service list -o wide');
  });

  it('runs the files for later', () => {
    const config = join(ROOT, 'deploy/examples/lb-agent.yaml');
    writeFileSync(join(directory, 'wrong.yaml'), readFileSync(config, 'utf8').replace(/^vip/m, 'vpi'));
    const wrong = () => lbctl('status', '--config', join(directory, 'wrong.yaml'));
    expect(wrong).toThrow(/vpi/);
  });

  it('names functions and has source maps, for those who read a stack trace', () => {
    const files = readdirSync(join(directory, 'dist', 'cli'));
    expect(files.filter((name) => name.endsWith('.js') && !files.includes(`${name}.map`))).toEqual([]);
    const map = JSON.parse(readFileSync(join(directory, 'dist/cli/lbctl.js.map'), 'utf8')) as {
      sources: string[];
    };
    expect(map.sources.some((source) => source.endsWith('src/cli/run.ts'))).toBe(true);
    expect(readFileSync(join(directory, 'dist/cli/lbctl.js'), 'utf8')).toContain('function runLbctl(');
  });
});
