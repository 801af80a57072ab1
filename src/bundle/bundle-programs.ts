/**
 * Bundles the two programs into `<output>/cli/lbctl.js` and `<output>/agent/lb-agent.js`.
 *
 * usage: bundle-programs <output>
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleProgram } from './bundle-program.ts';

const PROGRAMS = [
  { source: 'src/cli/lbctl.ts', program: 'cli/lbctl.js' },
  { source: 'src/agent/lb-agent.ts', program: 'agent/lb-agent.js' },
] as const;

async function main([output]: readonly string[]): Promise<void> {
  if (!output) throw new Error('usage: bundle-programs <output>');
  mkdirSync(output, { recursive: true });
  writeFileSync(join(output, 'package.json'), '{ "type": "commonjs" }\n');
  for (const { source, program } of PROGRAMS) {
    const file = join(output, program);
    await bundleProgram(source, join(file, '..'));
    chmodSync(file, 0o755);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`bundle-programs: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});
