/** Would the histories of several nodes notice? Each seeded fault is put into a copy, and the short run must fail. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { FLEET_FAULTS } from '../../consistency/faults/fleet-faults.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SEED = Number(process.env.SEED ?? 20);
const HISTORIES = 500;
/** Of test/, what the histories need. */
const TESTS = ['consistency', 'dataplane', 'differential', 'model', 'packet', 'unit/dataplane'];

const copy = mkdtempSync(join(tmpdir(), 'l4lb-fleet-fault-'));
cpSync(join(ROOT, 'src'), join(copy, 'src'), { recursive: true });
for (const part of TESTS) cpSync(join(ROOT, 'test', part), join(copy, 'test', part), { recursive: true });
for (const file of ['package.json', 'tsconfig.json']) cpSync(join(ROOT, file), join(copy, file));
symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
afterAll(() => rmSync(copy, { recursive: true, force: true }));

const SCRIPT = `
const { runFleet } = await import('./test/consistency/run-fleet.ts');
const report = await runFleet({ seed: ${SEED}, histories: ${HISTORIES}, isShrunk: false });
console.log(JSON.stringify(report.disagreement ?? null));
`;

/** What the short run says in the copy. */
function run(): { after: number; failure: { differences: string[] } } | null {
  const options = ['--import', 'tsx', '--input-type=module', '-e', SCRIPT];
  return JSON.parse(execFileSync(process.execPath, options, { cwd: copy, encoding: 'utf8' }));
}

it('goes right without a fault', { timeout: 240_000 }, () => {
  expect(run()).toBeNull();
});

it.each(FLEET_FAULTS.map((fault) => [fault.name, fault] as const))(
  '%s',
  { timeout: 240_000 },
  (name, fault) => {
    const path = join(copy, 'src', fault.file);
    const source = readFileSync(path, 'utf8');
    expect(source.split(fault.from).length - 1, `places in src/${fault.file}`).toBe(1);
    writeFileSync(
      path,
      source.replace(fault.from, () => fault.to),
    );
    try {
      const found = run();
      if (found === null) expect.fail(`not found in ${HISTORIES} histories`);
      const [first = ''] = found.failure.differences;
      process.stdout.write(`${name}: after ${found.after} histories, ${first.split('\n')[0]}\n`);
    } finally {
      writeFileSync(path, source);
    }
  },
);
